/* Runs the vectors in ../vectors against the kit. */
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

#include "gameye.hpp"

using gameye::Json;

static int failures = 0;

static void check(const std::string& name, const std::string& found, const std::string& expected) {
  if (found == expected) return;
  std::cerr << name << ": found " << found << ", expected " << expected << "\n";
  failures++;
}

/** The same text for the same value, whatever the order of its fields. */
static std::string canonical(const Json& value) {
  std::string out;
  std::vector<std::string> fields;
  switch (value.kind) {
    case Json::Kind::null:
      return "null";
    case Json::Kind::boolean:
      return value.boolean ? "true" : "false";
    case Json::Kind::number:
      return std::to_string(value.number);
    case Json::Kind::text:
      return Json::quoted(value.text);
    case Json::Kind::list:
      for (const Json& one : value.list) out += canonical(one) + ",";
      return "[" + out + "]";
    case Json::Kind::object:
      for (const auto& [key, inner] : value.object) fields.push_back(Json::quoted(key) + ":" + canonical(inner));
      std::sort(fields.begin(), fields.end());
      for (const std::string& field : fields) out += field + ",";
      return "{" + out + "}";
  }
  return out;
}

/** As a result is given: JSON that keeps its numbers. */
static std::string written(const Json& value) {
  std::string out;
  if (value.kind == Json::Kind::object) {
    for (const auto& [key, inner] : value.object)
      out += (out.empty() ? "{" : ",") + Json::quoted(key) + ":" + written(inner);
    return out.empty() ? "{}" : out + "}";
  }
  if (value.kind == Json::Kind::list) {
    for (const Json& one : value.list) out += (out.empty() ? "[" : ",") + written(one);
    return out.empty() ? "[]" : out + "]";
  }
  return canonical(value);
}

static Json parsed(const std::string& text) {
  Json value;
  if (!Json::parse(text, value)) {
    std::cerr << "no JSON: " << text.substr(0, 200) << "\n";
    failures++;
  }
  return value;
}

static Json read(const std::string& file) {
  std::ifstream in("../vectors/" + file, std::ios::binary);
  return parsed(std::string(std::istreambuf_iterator<char>(in), {}));
}

/** What answers requests one after the other, and what it is asked. */
struct World {
  std::vector<gameye::Response> answers;
  std::vector<gameye::Request> requests;
  std::string waits;

  gameye::GameServer server(const std::string& url, const std::string& token) {
    gameye::Options options;
    options.nakama_url = url;
    options.server_token = token;
    return gameye::GameServer(
        options,
        [this](const gameye::Request& request, std::function<void(gameye::Response)> back) {
          requests.push_back(request);
          back(requests.size() > answers.size() ? gameye::Response{} : answers[requests.size() - 1]);
        },
        [this](std::chrono::milliseconds pause, std::function<void()> go) {
          waits += std::to_string(pause.count()) + ",";
          go();
        });
  }
};

static gameye::Answer call(gameye::GameServer server, const std::string& name, const Json& given) {
  gameye::Answer answer;
  answer.message = "nobody was called back";
  const auto done = [&](const gameye::Answer& came) { answer = came; };
  std::vector<std::string> ids;
  for (const Json& id : given["user_ids"].list) ids.push_back(id.text);
  if (name == "ready") server.ready(done);
  if (name == "joined") server.joined(ids, done);
  if (name == "left") server.left(ids, given["hold"].boolean, done);
  if (name == "heartbeat") server.heartbeat(done);
  if (name == "result")
    server.result(given.object.empty() ? "{}" : written(given["result"]), given["round"].text, done);
  if (name == "open") server.open(done);
  if (name == "closed") server.closed(done);
  if (name == "end") server.end(done);
  return answer;
}

static std::string name_of(gameye::Outcome outcome) {
  return outcome == gameye::Outcome::done ? "done" : outcome == gameye::Outcome::refused ? "refused" : "unavailable";
}

/** What a call answers, with the fields that the vector names. */
static std::string value_of(const gameye::Answer& answer, const Json& expected) {
  Json value;
  value.kind = Json::Kind::object;
  for (const auto& field : expected.object) {
    const std::string& key = field.first;
    Json one;
    one.kind = field.second.kind;
    if (key == "player_count") one.number = answer.player_count;
    if (key == "id") one.text = answer.id;
    if (key == "stored") one.boolean = answer.stored;
    if (key == "open") one.boolean = answer.open;
    if (key == "refused") {
      for (const std::string& id : answer.refused) one.list.push_back(parsed(Json::quoted(id)));
    }
    value.object.emplace_back(key, one);
  }
  return canonical(value);
}

static std::string hex(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    for (const int digit : {static_cast<unsigned char>(byte) >> 4, byte & 15}) out += "0123456789abcdef"[digit];
  }
  return out;
}

/** What the tokens do not come to: published examples (FIPS 180-4; RFC 4231, case 6). */
static void check_crypto() {
  check("SHA-256 of nothing", hex(gameye::crypto::sha256("")),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check("SHA-256 of abc", hex(gameye::crypto::sha256("abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check("SHA-256 of two blocks",
        hex(gameye::crypto::sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  check("SHA-256 of a million", hex(gameye::crypto::sha256(std::string(1000000, 'a'))),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  check("HMAC with a long key",
        hex(gameye::crypto::hmac_sha256(std::string(131, '\xaa'),
                                        "Test Using Larger Than Block-Size Key - Hash Key First")),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/** What only a kit that writes JSON by hand can do wrong, and one that calls back. */
static void check_calls() {
  World world;
  gameye::GameServer server = world.server("http://nakama", "t");
  gameye::Answer answer;
  server.result("{\"a\":1},\"round\":\"x\"", "", [&](const gameye::Answer& came) { answer = came; });
  check("a result that is no JSON", name_of(answer.outcome) + std::to_string(world.requests.size()), "refused0");
  Json deep;
  check("JSON without a bottom", Json::parse(std::string(100000, '['), deep) ? "read" : "refused", "refused");
  for (const char* text : {"01", "1.", ".5", "+1", "1e", "-", "tru", "\"\\x\"", "\"\\u12g4\"", "\"\t\"", "{\"a\"}",
                           "{1:2}", "[1,]", "[1 2]", "NaN"}) {
    check(std::string("strict JSON: ") + text, Json::parse(text, deep) ? "read" : "refused", "refused");
  }

  // An engine that answers when it comes to it.
  std::vector<std::function<void(gameye::Response)>> pending;
  std::string order;
  {
    gameye::Options options;
    options.nakama_url = "http://nakama";
    options.server_token = "t";
    gameye::GameServer slow(
        options,
        [&](const gameye::Request& request, auto back) {
          order += request.url.substr(request.url.rfind('/') + 1, 14) + " ";
          pending.push_back(back);
        },
        [](auto, auto) {});
    slow.joined({"a"}, [&](const gameye::Answer&) { slow.end(); });
    slow.left({"a"});
    pending[0]({200, "{}"});
    pending[1]({200, "{}"});
  }
  check("one after the other", order, "gameye_server_ gameye_server_ delete_instanc ");
  pending[2]({200, "{}"});  // After the server is gone: to nobody.
}

int main() {
  int ran = 0;
  const Json tokens = read("tokens.json"), calls = read("calls.json");
  for (const Json& v : tokens.list) {
    gameye::Options options;
    options.session_id = v["session_id"].text;
    options.seat_secret = v["secret"].text;
    options.now = [&] { return static_cast<std::int64_t>(v["now"].number); };
    const gameye::GameServer server(options, {}, {});
    const std::string& token = v["token"].text;
    const gameye::Seat seat = v["spectator"].boolean ? server.verify_spectator_token(token) : server.verify_seat_token(token);
    check(v["name"].text, seat.user_id + "|" + seat.refused, v["user_id"].text + "|" + v["refused"].text);
    ran++;
  }
  for (const Json& v : calls["requests"].list) {
    World world;
    world.answers = {{200, "{}"}};
    const gameye::Answer answer =
        call(world.server(v["nakama_url"].text, v["server_token"].text), v["call"].text, v["arguments"]);
    std::string found = "nothing";
    for (const gameye::Request& sent : world.requests) {
      std::string headers;
      for (const auto& [key, value] : sent.headers)
        headers += (headers.empty() ? "" : ",") + Json::quoted(key) + ":" + Json::quoted(value);
      found = canonical(parsed("{\"method\":" + Json::quoted(sent.method) + ",\"url\":" + Json::quoted(sent.url) +
                               ",\"headers\":{" + headers + "},\"body\":" + sent.body + "}"));
    }
    const Json& expected = v["request"];
    check(v["name"].text, found, expected.kind == Json::Kind::null ? "nothing" : canonical(expected));
    check(v["name"].text, name_of(answer.outcome), "done");
    ran++;
  }
  for (const Json& v : calls["answers"].list) {
    World world;
    for (int i = 0; i < static_cast<int>(v["tries"].number); i++)
      world.answers.push_back({static_cast<int>(v["status"].number), v["body"].text});
    const gameye::Answer answer = call(world.server("http://nakama", "t"), v["call"].text, Json());
    check(v["name"].text, name_of(answer.outcome) + std::to_string(answer.code),
          v["outcome"].text + std::to_string(static_cast<int>(v["code"].number)));
    if (!v["message"].text.empty()) check(v["name"].text, answer.message, v["message"].text);
    if (answer.outcome == gameye::Outcome::done)
      check(v["name"].text, value_of(answer, v["value"]), canonical(v["value"]));
    check(v["name"].text, std::to_string(world.requests.size()), std::to_string(static_cast<int>(v["tries"].number)));
    ran++;
  }
  for (const Json& v : calls["repetitions"].list) {
    World world;
    std::string waits;
    for (const Json& one : v["answers"].list)
      world.answers.push_back({static_cast<int>(one["status"].number), one["body"].text});
    for (const Json& one : v["waits_ms"].list) waits += std::to_string(static_cast<int>(one.number)) + ",";
    const gameye::Answer answer = call(world.server("http://nakama", "t"), v["call"].text, Json());
    check(v["name"].text, name_of(answer.outcome) + std::to_string(answer.code),
          v["outcome"].text + std::to_string(static_cast<int>(v["code"].number)));
    check(v["name"].text, world.waits, waits);
    check(v["name"].text, std::to_string(world.requests.size()), std::to_string(v["answers"].list.size()));
    ran++;
  }
  check_crypto();
  check_calls();
  std::cout << ran << " vectors\n";
  return failures == 0 ? 0 : 1;
}
