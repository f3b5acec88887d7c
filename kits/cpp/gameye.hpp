/*
 * The game server kit for C++17, for Unreal and native servers: this one header, the standard library only, no
 * exceptions. What it is about: kits/README.md. HTTP and waiting come from outside, so they may block or not.
 *
 *   gameye::GameServer server(gameye::Options::from_environment(), send_request, call_later);
 *   server.ready();
 *
 *   // A player has sent their seat token.
 *   const gameye::Seat seat = server.verify_seat_token(token);
 *   if (!seat.refused.empty()) return refuse(seat.refused);
 *   server.joined({seat.user_id}, [=](const gameye::Answer& answer) {
 *     if (!answer.refused.empty()) return refuse("no seat");
 *   });
 *
 *   // A player has left. `hold`: they lost the connection, and may come back.
 *   server.left({user_id}, hold);
 *
 *   // The game is over.
 *   server.result("{\"played\":[" + played + "]}");
 *   server.end();
 *
 * `send_request` sends a request and hands over what came; `call_later` does something after a pause. Both may do so at
 * once or when the engine comes to it, but in the thread that uses the server. Calls go out one after the other, in the
 * order they were made.
 */
#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gameye {

/** One value of JSON, and a strict reader of it. */
struct Json {
  enum class Kind { null, boolean, number, text, list, object };
  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<Json> list;
  std::vector<std::pair<std::string, Json>> object;

  /** Reads one value with nothing but white space around it. False when the text is anything else. */
  static bool parse(std::string_view from, Json& into) {
    Reader reader{from};
    return reader.value(into, 0) && reader.is_at_end();
  }

  /** The field of an object; null when it has none. */
  const Json& operator[](std::string_view name) const {
    static const Json nothing;
    const Json* found = &nothing;
    for (const auto& [key, value] : object) {
      if (key == name) found = &value;
    }
    return *found;
  }

  static std::string quoted(std::string_view text) {
    static const char* digits = "0123456789abcdef";
    std::string out = "\"";
    for (const char letter : text) {
      const auto code = static_cast<unsigned char>(letter);
      if (code < 0x20) {
        out += {'\\', 'u', '0', '0', digits[code >> 4], digits[code & 15]};
      } else {
        if (letter == '"' || letter == '\\') out += '\\';
        out += letter;
      }
    }
    return out + '"';
  }

 private:
  struct Reader {
    std::string_view from;
    std::size_t at = 0;
    // Deeper than anything that is sent here, and far from the end of any stack.
    static constexpr int deepest = 64;

    bool value(Json& into, int depth) {
      skip_space();
      if (at == from.size() || depth > deepest) return false;
      switch (from[at]) {
        case '{':
          return object(into, depth);
        case '[':
          return list(into, depth);
        case '"':
          into.kind = Kind::text;
          return string(into.text);
        case 't':
          into.kind = Kind::boolean;
          into.boolean = true;
          return word("true");
        case 'f':
          into.kind = Kind::boolean;
          return word("false");
        case 'n':
          return word("null");
        default:
          into.kind = Kind::number;
          return numeral(into.number);
      }
    }

    bool is_at_end() {
      skip_space();
      return at == from.size();
    }

   private:
    void skip_space() {
      while (at < from.size() && std::string_view(" \t\r\n").find(from[at]) != std::string_view::npos) at++;
    }
    bool take(char letter) {
      if (at == from.size() || from[at] != letter) return false;
      at++;
      return true;
    }
    bool word(std::string_view wanted) {
      if (from.substr(at, wanted.size()) != wanted) return false;
      at += wanted.size();
      return true;
    }
    bool object(Json& into, int depth) {
      into.kind = Kind::object;
      at++;
      skip_space();
      if (take('}')) return true;
      do {
        std::pair<std::string, Json> field;
        skip_space();
        if (at == from.size() || from[at] != '"' || !string(field.first)) return false;
        skip_space();
        if (!take(':') || !value(field.second, depth + 1)) return false;
        into.object.push_back(std::move(field));
        skip_space();
      } while (take(','));
      return take('}');
    }
    bool list(Json& into, int depth) {
      into.kind = Kind::list;
      at++;
      skip_space();
      if (take(']')) return true;
      do {
        into.list.emplace_back();
        if (!value(into.list.back(), depth + 1)) return false;
        skip_space();
      } while (take(','));
      return take(']');
    }
    bool digits(double& value, int& count) {
      for (count = 0; at < from.size() && from[at] >= '0' && from[at] <= '9'; at++, count++) {
        value = value * 10 + (from[at] - '0');
      }
      return count > 0;
    }
    // Not strtod: that reads what the locale calls a number.
    bool numeral(double& into) {
      const bool negative = take('-');
      const bool zero = at < from.size() && from[at] == '0';
      int count = 0;
      double exponent = 0;
      if (!digits(into, count) || (zero && count > 1)) return false;
      if (take('.')) {
        if (!digits(into, count)) return false;
        exponent = -count;
      }
      if (take('e') || take('E')) {
        const bool down = take('-');
        if (!down) take('+');
        double power = 0;
        if (!digits(power, count)) return false;
        exponent += down ? -power : power;
      }
      if (exponent != 0 && into != 0) into *= std::pow(10.0, exponent);
      if (negative) into = -into;
      return true;
    }
    bool string(std::string& into) {
      for (at++; at < from.size(); at++) {
        const char letter = from[at];
        if (letter == '"') {
          at++;
          return true;
        }
        if (static_cast<unsigned char>(letter) < 0x20) return false;
        if (letter != '\\') {
          into += letter;
        } else if (!escape(into)) {
          return false;
        }
      }
      return false;
    }
    bool escape(std::string& into) {
      static constexpr std::string_view short_names = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
      if (++at == from.size()) return false;
      const std::size_t found = short_names.find(from[at]);
      if (found != std::string_view::npos) {
        into += meant[found];
        return true;
      }
      std::uint32_t code = 0;
      if (from[at] != 'u' || !hex(code)) return false;
      if (code >= 0xd800 && code < 0xdc00 && from.substr(at + 1, 2) == "\\u") {
        const std::size_t before = at;
        std::uint32_t low = 0;
        at += 2;
        if (!hex(low)) return false;
        if (low >= 0xdc00 && low < 0xe000) {
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else {
          at = before;
        }
      }
      // Half of a pair alone stands for nothing.
      append(into, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
      return true;
    }
    // From the `u`, and ends at the last of the four digits.
    bool hex(std::uint32_t& code) {
      for (int i = 0; i < 4; i++) {
        if (++at >= from.size()) return false;
        const char letter = from[at];
        const std::size_t digit =
            std::string_view("0123456789abcdef").find(letter >= 'A' && letter <= 'F' ? char(letter + 32) : letter);
        if (digit == std::string_view::npos) return false;
        code = code * 16 + static_cast<std::uint32_t>(digit);
      }
      return true;
    }
    static void append(std::string& into, std::uint32_t code) {
      const auto rest = [&](int shift) { into += static_cast<char>(0x80 | ((code >> shift) & 0x3f)); };
      if (code < 0x80) {
        into += static_cast<char>(code);
      } else if (code < 0x800) {
        into += static_cast<char>(0xc0 | (code >> 6));
        rest(0);
      } else if (code < 0x10000) {
        into += static_cast<char>(0xe0 | (code >> 12));
        rest(6);
        rest(0);
      } else {
        into += static_cast<char>(0xf0 | (code >> 18));
        rest(12);
        rest(6);
        rest(0);
      }
    }
  };
};

/** SHA-256 and what a token needs of it (FIPS 180-4, RFC 2104, RFC 4648). */
namespace crypto {

inline std::string sha256(std::string_view message) {
  static constexpr std::array<std::uint32_t, 64> k = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  std::array<std::uint32_t, 8> hash = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string data(message);
  data += '\x80';
  while (data.size() % 64 != 56) data += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) data += static_cast<char>((std::uint64_t{message.size()} * 8) >> shift);

  const auto turn = [](std::uint32_t x, int by) { return (x >> by) | (x << (32 - by)); };
  for (std::size_t block = 0; block < data.size(); block += 64) {
    std::array<std::uint32_t, 64> w{};
    for (std::size_t i = 0; i < 64; i++) w[i / 4] = (w[i / 4] << 8) | static_cast<unsigned char>(data[block + i]);
    for (std::size_t i = 16; i < 64; i++) {
      const std::uint32_t s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const std::uint32_t s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = hash;
    for (std::size_t i = 0; i < 64; i++) {
      const std::uint32_t t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
      const std::uint32_t t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const std::array<std::uint32_t, 8> change = {a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < 8; i++) hash[i] += change[i];
  }
  std::string out;
  for (const std::uint32_t word : hash) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(word >> shift);
  }
  return out;
}

inline std::string hmac_sha256(std::string_view key, std::string_view message) {
  std::string block = key.size() > 64 ? sha256(key) : std::string(key);
  block.resize(64, '\0');
  std::string inner, outer;
  for (const char letter : block) {
    inner += static_cast<char>(letter ^ 0x36);
    outer += static_cast<char>(letter ^ 0x5c);
  }
  return sha256(outer + sha256(inner.append(message)));
}

inline constexpr std::string_view base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

inline std::string base64url_encode(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char byte : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6) out += base64url[(bits >> (count - 6)) & 63];
  }
  if (count > 0) out += base64url[(bits << (6 - count)) & 63];
  return out;
}

/** Of a text that has letters of the alphabet only. */
inline std::string base64url_decode(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    bits = (bits << 6) | static_cast<std::uint32_t>(base64url.find(letter));
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count);
  }
  return out;
}

/** Takes as long for every text of one length: nobody learns from it how much of a guess was right. */
inline bool same(std::string_view one, std::string_view other) {
  if (one.size() != other.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < one.size(); i++) difference |= static_cast<unsigned char>(one[i] ^ other[i]);
  return difference == 0;
}

}  // namespace crypto

struct Request {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct Response {
  /** 0: no answer came. */
  int status = 0;
  std::string body;
};

/** Sends a request and calls back once. Must not follow redirections (the token would go along) nor wait for ever. */
using Send = std::function<void(const Request&, std::function<void(Response)>)>;
/** Calls back after a pause. */
using Later = std::function<void(std::chrono::milliseconds, std::function<void()>)>;

/** What Gameye and Nakama give every container. */
struct Options {
  std::string session_id;
  std::string seat_secret;
  /** Without an address or a token nothing is reported, and every call is done. */
  std::string nakama_url;
  std::string server_token;
  /** Seconds since 1970. */
  std::function<std::int64_t()> now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  };

  static Options from_environment() {
    const auto variable = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value == nullptr ? "" : value);
    };
    Options options;
    options.session_id = variable("GAMEYE_SESSION_ID");
    options.seat_secret = variable("SEAT_SECRET");
    options.nakama_url = variable("NAKAMA_URL");
    options.server_token = variable("NAKAMA_SERVER_TOKEN");
    return options;
  }
};

/** Whose seat it is; or `malformed`, `forged`, `other-session` or `expired`. */
struct Seat {
  std::string user_id;
  std::string refused;
};

/** refused: a repetition does not help. unavailable: Nakama did not answer for half a minute. */
enum class Outcome { done, refused, unavailable };

/** What a call came to. Fields that the call does not answer are empty. */
struct Answer {
  Outcome outcome = Outcome::done;
  int code = 0;
  std::string message;
  int player_count = 0;
  /** Send them away: there is no seat for them. */
  std::vector<std::string> refused;
  std::string id;
  /** False when the same result was known before. */
  bool stored = false;
  bool open = false;
};

class GameServer {
 public:
  using Done = std::function<void(const Answer&)>;

  GameServer(Options options, Send send, Later later)
      : state_(std::make_shared<State>(State{std::move(options), std::move(send), std::move(later), {}, false})) {}

  /** Whose seat this is, or why nobody is let in with it. Takes whatever a stranger sent. */
  Seat verify_seat_token(std::string_view token) const { return verify(token, "seat"); }

  /** The same of somebody who only watches. Report them with `joined` and `left` like a player. */
  Seat verify_spectator_token(std::string_view token) const { return verify(token, "watch"); }

  /** The server can take players. */
  void ready(Done done = {}) { report("gameye_server_ready", "{}", std::move(done)); }

  /** Players are in. Send those away whom it answers as refused. */
  void joined(const std::vector<std::string>& user_ids, Done done = {}) {
    report("gameye_server_join", "{\"user_ids\":" + list_of(user_ids) + "}", std::move(done));
  }

  /** Players have left. `hold`: they lost the connection, and their seats are held for a while. */
  void left(const std::vector<std::string>& user_ids, bool hold = false, Done done = {}) {
    report("gameye_server_leave", "{\"user_ids\":" + list_of(user_ids) + (hold ? ",\"hold\":true}" : "}"),
           std::move(done));
  }

  /** The server is alive. Every other call says so as well. */
  void heartbeat(Done done = {}) { report("gameye_server_heartbeat", "{}", std::move(done)); }

  /** What came of the session, or of one of its rounds: the text of a JSON object. */
  void result(const std::string& document, const std::string& round = "", Done done = {}) {
    Json read;
    if (!Json::parse(document, read) || read.kind != Json::Kind::object) {
      Answer answer;
      answer.outcome = Outcome::refused;
      answer.code = 3;
      answer.message = "The result is not the text of a JSON object.";
      if (done) done(answer);
      return;
    }
    const std::string of_round = round.empty() ? "" : ",\"round\":" + Json::quoted(round);
    report("gameye_server_result", "{\"result\":" + document + of_round + "}", std::move(done));
  }

  /** Others may be seated here. */
  void open(Done done = {}) { report("gameye_server_backfill", "{\"open\":true}", std::move(done)); }

  /** Nobody else is seated here. */
  void closed(Done done = {}) { report("gameye_server_backfill", "{\"open\":false}", std::move(done)); }

  /** The game is over: the session is stopped, this process with it. */
  void end(Done done = {}) { report("delete_instance_info", "{}", std::move(done)); }

 private:
  Seat verify(std::string_view token, std::string_view kind) const {
    const Options& options = state_->options;
    const std::size_t dot = token.find('.', 3);
    if (token.size() > longest_token || token.substr(0, 3) != "v1." || dot == std::string_view::npos)
      return {"", "malformed"};
    const std::string_view body = token.substr(3, dot - 3), signature = token.substr(dot + 1);
    if (!is_base64url(body) || !is_base64url(signature) || body.size() % 4 == 1) return {"", "malformed"};
    const std::string right = crypto::base64url_encode(crypto::hmac_sha256(options.seat_secret, token.substr(0, dot)));
    if (options.seat_secret.empty() || !crypto::same(right, signature)) return {"", "forged"};

    Json payload;
    if (!Json::parse(crypto::base64url_decode(body), payload)) return {"", "malformed"};
    const Json& session = payload["sid"];
    const Json& user = payload["uid"];
    const Json& end = payload["exp"];
    const bool is_moment = end.kind == Json::Kind::number && end.number >= 0 && end.number < 9007199254740992.0 &&
                           end.number == std::floor(end.number);
    if (payload["t"].text != kind || !is_name(session.text) || !is_name(user.text) || !is_moment)
      return {"", "malformed"};
    if (session.text != options.session_id) return {"", "other-session"};
    if (static_cast<std::int64_t>(end.number) <= options.now()) return {"", "expired"};
    return {user.text, ""};
  }

  static constexpr std::size_t longest_token = 1024;
  /** The pauses after the first, second, … try; after one more try it gives up. */
  static constexpr std::array<int, 7> waits_ms = {250, 500, 1000, 2000, 4000, 8000, 8000};
  /** Others changed the same records, or there is another result for this round: the first passes, the second does not.
   */
  static constexpr int conflict = 10, conflict_tries = 3;
  static constexpr int unavailable = 14;

  struct Report {
    Request request;
    Done done;
    int tries = 0;
  };

  /** Outlives the server while a request is on its way: its answer then comes to nobody. */
  struct State {
    Options options;
    Send send;
    Later later;
    /** The first one is being sent. */
    std::deque<Report> reports;
    bool is_sending;
  };
  std::shared_ptr<State> state_;

  void report(const std::string& rpc, std::string body, Done done) {
    const Options& options = state_->options;
    if (options.nakama_url.empty() || options.server_token.empty()) {
      if (done) done(Answer{});
      return;
    }
    Report report;
    report.request.url =
        options.nakama_url.substr(0, options.nakama_url.find_last_not_of('/') + 1) + "/v2/rpc/" + rpc + "?unwrap=";
    report.request.headers = {{"Authorization", "Bearer " + options.server_token},
                              {"Content-Type", "application/json"}};
    report.request.body = std::move(body);
    report.done = std::move(done);
    state_->reports.push_back(std::move(report));
    if (!state_->is_sending) send_first(state_);
  }

  static void send_first(const std::shared_ptr<State>& state) {
    state->is_sending = true;
    Report& report = state->reports.front();
    report.tries++;
    const Request request = report.request;
    state->send(request, [weak = std::weak_ptr<State>(state)](Response response) {
      if (const auto state = weak.lock()) received(state, response);
    });
  }

  static void received(const std::shared_ptr<State>& state, const Response& response) {
    const Answer answer = judge(response);
    const int wait_ms = wait_after(state->reports.front().tries, answer);
    if (wait_ms > 0) {
      state->later(std::chrono::milliseconds(wait_ms), [weak = std::weak_ptr<State>(state)] {
        if (const auto state = weak.lock()) send_first(state);
      });
      return;
    }
    const Done done = std::move(state->reports.front().done);
    state->reports.pop_front();
    state->is_sending = false;
    if (done) done(answer);
    // What `done` has called may be on its way already.
    if (!state->is_sending && !state->reports.empty()) send_first(state);
  }

  /** How long to wait before the same is sent again, after so many tries; 0: it is not. */
  static int wait_after(int tries, const Answer& answer) {
    const bool passes = answer.outcome == Outcome::unavailable || (answer.code == conflict && tries < conflict_tries);
    const auto index = static_cast<std::size_t>(tries) - 1;
    return passes && index < waits_ms.size() ? waits_ms[index] : 0;
  }

  /** What an answer means. One that is no JSON object is a proxy's: Nakama has not answered. */
  static Answer judge(const Response& response) {
    Answer answer;
    Json fields;
    if (response.status == 0 || !Json::parse(response.body, fields) || fields.kind != Json::Kind::object) {
      answer.outcome = Outcome::unavailable;
      answer.code = unavailable;
      answer.message = "Status " + std::to_string(response.status) + ", and nothing that Nakama says.";
    } else if (response.status >= 200 && response.status < 300) {
      answer.player_count = whole(fields["player_count"]);
      for (const Json& one : fields["refused"].list) {
        if (one.kind == Json::Kind::text) answer.refused.push_back(one.text);
      }
      answer.id = fields["id"].text;
      answer.stored = fields["stored"].boolean;
      answer.open = fields["open"].boolean;
    } else {
      const bool is_broken = response.status >= 500;
      answer.code = whole(fields["code"]);
      if (answer.code == 0) answer.code = is_broken ? unavailable : 3;
      answer.message = fields["message"].text;
      if (answer.message.empty()) answer.message = "Status " + std::to_string(response.status) + ".";
      answer.outcome = is_broken || answer.code == unavailable ? Outcome::unavailable : Outcome::refused;
    }
    return answer;
  }

  static int whole(const Json& value) {
    return value.number > -1e9 && value.number < 1e9 ? static_cast<int>(value.number) : 0;
  }

  static std::string list_of(const std::vector<std::string>& texts) {
    std::string out;
    for (const std::string& text : texts) out += (out.empty() ? "[" : ",") + Json::quoted(text);
    return out.empty() ? "[]" : out + "]";
  }

  static bool is_base64url(std::string_view text) {
    return !text.empty() && text.find_first_not_of(crypto::base64url) == std::string_view::npos;
  }

  static bool is_name(std::string_view text) {
    for (const char letter : text) {
      if (static_cast<unsigned char>(letter) < 0x20) return false;
    }
    return !text.empty();
  }
};

}  // namespace gameye
