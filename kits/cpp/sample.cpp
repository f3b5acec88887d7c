/*
 * A sample game server for Linux and other systems with POSIX sockets: `sample <port> [host]`. Players talk to it in
 * lines over TCP. The first line is the seat token; it answers `welcome <user id>` or `refused <reason>`. `bye` leaves.
 * Who is cut off may come back. The game is over when the last player who is there says bye.
 *
 * Its HTTP is as short as it can be, without TLS. Use your engine's, or libcurl.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <map>
#include <set>
#include <thread>

#include "gameye.hpp"

namespace {

constexpr auto heartbeat_every = std::chrono::seconds(10);
/** Far more than a token has: nobody makes the server keep an endless line. */
constexpr std::size_t longest_line = 2000;
constexpr int not_found = 5;

volatile std::sig_atomic_t is_ending = 0;

/** Gameye stops the session like that. When we have asked for it, the answer is still on its way. */
void on_stop(int) {
  if (is_ending == 0) _exit(0);
}

/** Sends a request and waits for what comes. */
void send_request(const gameye::Request& request, std::function<void(gameye::Response)> back) {
  const std::size_t host_at = std::string("http://").size();
  const std::size_t path_at = request.url.find('/', host_at);
  const std::string authority = request.url.substr(host_at, path_at - host_at);
  const std::size_t colon = authority.rfind(':');
  const std::string host = authority.substr(0, colon);
  const std::string port = colon == std::string::npos ? "80" : authority.substr(colon + 1);

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return back({});
  const int fd = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const bool connected = connect(fd, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);

  // HTTP/1.0: the answer comes in one piece, and ends with the connection.
  std::string out = request.method + " " + request.url.substr(path_at) + " HTTP/1.0\r\nHost: " + authority + "\r\n";
  for (const auto& [name, value] : request.headers) out += name + ": " + value + "\r\n";
  out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n\r\n" + request.body;
  std::string in;
  if (connected && write(fd, out.data(), out.size()) == static_cast<ssize_t>(out.size())) {
    char buffer[4096];
    for (ssize_t got; (got = read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR);) {
      if (got > 0) in.append(buffer, static_cast<std::size_t>(got));
    }
  }
  close(fd);
  const std::size_t head_ends = in.find("\r\n\r\n");
  if (head_ends == std::string::npos || in.size() < 12) return back({});
  back({std::atoi(in.c_str() + 9), in.substr(head_ends + 4)});
}

void call_later(std::chrono::milliseconds pause, std::function<void()> go) {
  std::this_thread::sleep_for(pause);
  go();
}

/** Says how a report went; the game goes on without Nakama. */
gameye::GameServer::Done log(const std::string& what) {
  return [what](const gameye::Answer& answer) {
    std::cout << what << ": ";
    if (answer.outcome == gameye::Outcome::done) {
      std::cout << "done" << std::endl;
    } else {
      std::cout << "code " << answer.code << ", " << answer.message << std::endl;
    }
  };
}

class Game {
 public:
  explicit Game(gameye::GameServer& speaker) : server(speaker) {}

  void hear(int fd, const std::string& line) {
    const auto player = users.find(fd);
    if (player == users.end()) return admit(fd, line);
    if (line == "bye") leave(fd, false);
  }

  void closed(int fd) {
    if (users.count(fd) > 0) leave(fd, true);
  }

  bool is_over() const { return over; }
  /** Connections that are to be closed. */
  std::set<int> done_with;

 private:
  gameye::GameServer& server;
  std::map<int, std::string> users;
  std::set<std::string> played_ids;
  bool over = false;

  void admit(int fd, const std::string& token) {
    const auto refuse = [=](const std::string& why) {
      say(fd, "refused " + why);
      done_with.insert(fd);
    };
    const gameye::Seat seat = server.verify_seat_token(token);
    if (!seat.refused.empty()) return refuse(seat.refused);
    server.joined({seat.user_id}, [=](const gameye::Answer& answer) {
      log("joined")(answer);
      if (!answer.refused.empty()) return refuse("no seat");
      for (auto before = users.begin(); before != users.end();) {
        if (before->second == seat.user_id) done_with.insert(before->first);
        before = before->second == seat.user_id ? users.erase(before) : std::next(before);
      }
      users[fd] = seat.user_id;
      played_ids.insert(seat.user_id);
      say(fd, "welcome " + seat.user_id);
    });
  }

  void leave(int fd, bool hold) {
    const std::string user_id = users[fd];
    users.erase(fd);
    done_with.insert(fd);
    server.left({user_id}, hold, log("left"));
    if (hold || !users.empty()) return;
    std::string played;
    for (const std::string& id : played_ids) played += (played.empty() ? "" : ",") + gameye::Json::quoted(id);
    over = true;
    is_ending = 1;
    server.closed(log("closed"));
    server.result("{\"played\":[" + played + "]}", "", log("result"));
    server.end(log("end"));
  }

  static void say(int fd, const std::string& line) {
    const std::string text = line + "\n";
    // A player who is gone is noticed when we read.
    if (write(fd, text.data(), text.size()) < 0) return;
  }
};

int listen_at(const char* host, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return -1;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return listen(fd, 64) == 0 ? fd : -1;
}

}  // namespace

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, on_stop);
  const int port = argc > 1 ? std::atoi(argv[1]) : 7777;
  const int listening = listen_at(argc > 2 ? argv[2] : "0.0.0.0", port);
  if (listening < 0) {
    std::cerr << "cannot listen on port " << port << std::endl;
    return 1;
  }
  gameye::GameServer server(gameye::Options::from_environment(), send_request, call_later);
  server.ready(log("ready"));
  Game game(server);
  std::map<int, std::string> connections;
  auto heartbeat_at = std::chrono::steady_clock::now();
  bool is_known = true;
  while (is_known && !game.is_over()) {
    if (std::chrono::steady_clock::now() >= heartbeat_at) {
      server.heartbeat([&](const gameye::Answer& answer) {
        log("heartbeat")(answer);
        // Nakama does not know the session any more: nobody will come.
        is_known = answer.outcome != gameye::Outcome::refused || answer.code != not_found;
      });
      heartbeat_at = std::chrono::steady_clock::now() + heartbeat_every;
    }
    std::vector<pollfd> waiting = {{listening, POLLIN, 0}};
    for (const auto& connection : connections) waiting.push_back({connection.first, POLLIN, 0});
    poll(waiting.data(), waiting.size(), 200);
    if (waiting[0].revents != 0) {
      const int fd = accept(listening, nullptr, nullptr);
      if (fd >= 0) connections[fd] = "";
    }
    for (std::size_t i = 1; i < waiting.size(); i++) {
      if (waiting[i].revents == 0) continue;
      const int fd = waiting[i].fd;
      std::string& text = connections[fd];
      char buffer[1024];
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
      for (std::size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1)) {
        if (game.done_with.count(fd) == 0) game.hear(fd, text.substr(0, end));
      }
      if (got > 0 && text.size() <= longest_line) continue;
      game.closed(fd);
      game.done_with.insert(fd);
    }
    for (const int fd : game.done_with) {
      close(fd);
      connections.erase(fd);
    }
    game.done_with.clear();
  }
}
