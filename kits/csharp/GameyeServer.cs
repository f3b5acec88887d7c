// The game server kit for Unity and .NET: this file and GameyeJson.cs, no packages. What it is about: kits/README.md.
// C# 7, .NET Standard 2.0, Unity, Mono.
//
//   var server = GameServer.FromEnvironment();
//   await server.Ready();
//
//   // A player has sent their seat token.
//   var seat = server.VerifySeatToken(token);
//   if (seat.Refused != null) return Refuse(seat.Refused);
//   var joined = await server.Joined(new[] { seat.UserId });
//   if (joined.Refused.Contains(seat.UserId)) return Refuse("no seat");
//
//   // A player has left. hold: they lost the connection, and may come back.
//   await server.Left(new[] { userId }, hold);
//
//   // The game is over.
//   await server.Result(new Dictionary<string, object> { { "played", played } });
//   await server.End();
//
// A call never throws for what Nakama answers: its answer is done, refused (a repetition does not help) or unavailable
// (Nakama did not answer for half a minute). Calls go out one after the other, in the order they were made.
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;

namespace Gameye
{
    public enum Outcome { Done, Refused, Unavailable }

    /// <summary>What a call came to. A field that its call does not answer is 0, false or empty.</summary>
    public sealed class Answer
    {
        public Outcome Outcome;
        /// <summary>Why it is not done.</summary>
        public int Code;
        public string Message = "";
        /// <summary>Of Joined and Left: how many players Nakama counts.</summary>
        public int PlayerCount;
        /// <summary>Of Joined: for whom there is no seat. Send them away.</summary>
        public List<string> Refused = new List<string>();
        /// <summary>Of Result: the result's id, and false when the same was known before.</summary>
        public string Id = "";
        public bool Stored;
        /// <summary>Of Open and Closed.</summary>
        public bool Open;
    }

    /// <summary>Whose seat a token is, or why nobody is let in: malformed, forged, other-session, expired.</summary>
    public struct Seat
    {
        public string UserId;
        public string Refused;
    }

    public sealed class Request
    {
        public string Method = "POST";
        public string Url;
        public Dictionary<string, string> Headers;
        public string Body;
    }

    public struct Response
    {
        public int Status;
        public string Body;
    }

    public sealed class GameServerOptions
    {
        public string SessionId = "";
        public string SeatSecret = "";
        /// <summary>Without an address or a token nothing is reported, and every call is done.</summary>
        public string NakamaUrl = "";
        public string ServerToken = "";
        /// <summary>Sends a request; throws when no answer comes. Must not follow redirections: the token would go along.</summary>
        public Func<Request, Task<Response>> Send = GameServer.SendByWebRequest;
        public Func<int, Task> Sleep = milliseconds => Task.Delay(milliseconds);
        /// <summary>Seconds since 1970.</summary>
        public Func<long> Now = () => DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    }

    public sealed class GameServer
    {
        private const int RequestTimeoutMs = 10000;
        private const int LongestToken = 1024;
        private const double GreatestWholeNumber = 9007199254740991;
        /// <summary>The pauses after the first, second, … try; after one more try it gives up.</summary>
        private static readonly int[] WaitsMs = { 250, 500, 1000, 2000, 4000, 8000, 8000 };
        /// <summary>Others changed the same records, or there is another result for this round: the first passes, the second does not.</summary>
        private const int Conflict = 10;
        private const int ConflictTries = 3;
        private const int Unavailable = 14;

        private readonly GameServerOptions options;
        private readonly object gate = new object();
        private Task last = Task.FromResult(true);

        public GameServer(GameServerOptions options)
        {
            this.options = options;
        }

        /// <summary>With what Gameye and Nakama give every container.</summary>
        public static GameServer FromEnvironment()
        {
            return new GameServer(new GameServerOptions
            {
                SessionId = Environment.GetEnvironmentVariable("GAMEYE_SESSION_ID") ?? "",
                SeatSecret = Environment.GetEnvironmentVariable("SEAT_SECRET") ?? "",
                NakamaUrl = Environment.GetEnvironmentVariable("NAKAMA_URL") ?? "",
                ServerToken = Environment.GetEnvironmentVariable("NAKAMA_SERVER_TOKEN") ?? "",
            });
        }

        /// <summary>Whose seat this is, or why nobody is let in with it. Takes whatever a stranger sent.</summary>
        public Seat VerifySeatToken(string token)
        {
            return Verify(token, "seat");
        }

        /// <summary>The same of somebody who only watches. Report them with Joined and Left like a player.</summary>
        public Seat VerifySpectatorToken(string token)
        {
            return Verify(token, "watch");
        }

        private Seat Verify(string token, string kind)
        {
            if (token == null || token.Length > LongestToken) return No("malformed");
            var parts = token.Split('.');
            if (parts.Length != 3 || parts[0] != "v1" || !IsBase64Url(parts[1]) || !IsBase64Url(parts[2])) return No("malformed");
            if (parts[1].Length % 4 == 1) return No("malformed");
            if (string.IsNullOrEmpty(options.SeatSecret) || !IsSigned("v1." + parts[1], parts[2])) return No("forged");
            var payload = Json.ObjectIn(Encoding.UTF8.GetString(FromBase64Url(parts[1])));
            var session = Json.Field<string>(payload, "sid");
            var user = Json.Field<string>(payload, "uid");
            object expires = null;
            var hasExpiry = payload != null && payload.TryGetValue("exp", out expires);
            if (Json.Field<string>(payload, "t") != kind || !IsName(session) || !IsName(user)) return No("malformed");
            if (!hasExpiry || !IsMoment(expires)) return No("malformed");
            if (session != options.SessionId) return No("other-session");
            return (double)expires <= options.Now() ? No("expired") : new Seat { UserId = user };
        }

        /// <summary>The server can take players.</summary>
        public Task<Answer> Ready()
        {
            return Report("gameye_server_ready", new Dictionary<string, object>());
        }

        /// <summary>Players are in. Send those away whom it answers as refused: there is no seat for them.</summary>
        public Task<Answer> Joined(IEnumerable<string> userIds)
        {
            return Report("gameye_server_join", new Dictionary<string, object> { { "user_ids", userIds } });
        }

        /// <summary>Players have left. hold: they lost the connection, and their seats are held for a while.</summary>
        public Task<Answer> Left(IEnumerable<string> userIds, bool hold = false)
        {
            var body = new Dictionary<string, object> { { "user_ids", userIds } };
            if (hold) body["hold"] = true;
            return Report("gameye_server_leave", body);
        }

        /// <summary>The server is alive. Every other call says so as well.</summary>
        public Task<Answer> Heartbeat()
        {
            return Report("gameye_server_heartbeat", new Dictionary<string, object>());
        }

        /// <summary>What came of the session, or of one of its rounds: any JSON object.</summary>
        public Task<Answer> Result(IDictionary<string, object> document, string round = "")
        {
            var body = new Dictionary<string, object> { { "result", document } };
            if (!string.IsNullOrEmpty(round)) body["round"] = round;
            return Report("gameye_server_result", body);
        }

        /// <summary>Others may be seated here.</summary>
        public Task<Answer> Open()
        {
            return Report("gameye_server_backfill", new Dictionary<string, object> { { "open", true } });
        }

        /// <summary>Nobody else is seated here.</summary>
        public Task<Answer> Closed()
        {
            return Report("gameye_server_backfill", new Dictionary<string, object> { { "open", false } });
        }

        /// <summary>The game is over: the session is stopped, this process with it.</summary>
        public Task<Answer> End()
        {
            return Report("delete_instance_info", new Dictionary<string, object>());
        }

        /// <summary>The body is written at once, so that a document may change afterwards.</summary>
        private Task<Answer> Report(string rpc, Dictionary<string, object> body)
        {
            var request = new Request
            {
                Url = (options.NakamaUrl ?? "").TrimEnd('/') + "/v2/rpc/" + rpc + "?unwrap=",
                Headers = new Dictionary<string, string>
                {
                    { "Authorization", "Bearer " + options.ServerToken },
                    { "Content-Type", "application/json" },
                },
                Body = Json.Write(body),
            };
            lock (gate)
            {
                var answer = SendAfter(last, request);
                last = answer;
                return answer;
            }
        }

        private async Task<Answer> SendAfter(Task before, Request request)
        {
            await before;
            if (string.IsNullOrEmpty(options.NakamaUrl) || string.IsNullOrEmpty(options.ServerToken)) return new Answer();
            for (var tries = 1; ; tries++)
            {
                var answer = await SendOnce(request);
                var passes = answer.Outcome == Outcome.Unavailable ||
                    (answer.Outcome == Outcome.Refused && answer.Code == Conflict && tries < ConflictTries);
                if (!passes || tries > WaitsMs.Length) return answer;
                await options.Sleep(WaitsMs[tries - 1]);
            }
        }

        private async Task<Answer> SendOnce(Request request)
        {
            try
            {
                return Judge(await options.Send(request));
            }
            catch (Exception error)
            {
                return NoAnswer(error.Message);
            }
        }

        /// <summary>What an answer means. One that is no JSON object is a proxy's: Nakama has not answered.</summary>
        private static Answer Judge(Response response)
        {
            var fields = Json.ObjectIn(response.Body);
            if (fields == null) return NoAnswer("Status " + response.Status + ", and nothing that Nakama says.");
            if (response.Status >= 200 && response.Status < 300) return Done(fields);
            var code = NumberIn(fields, "code");
            if (code == 0) code = response.Status >= 500 ? Unavailable : 3;
            var isUnavailable = code == Unavailable || response.Status >= 500;
            return new Answer
            {
                Outcome = isUnavailable ? Outcome.Unavailable : Outcome.Refused,
                Code = code,
                Message = Json.Field<string>(fields, "message") ?? "Status " + response.Status + ".",
            };
        }

        private static Answer Done(Dictionary<string, object> fields)
        {
            var answer = new Answer
            {
                PlayerCount = NumberIn(fields, "player_count"),
                Id = Json.Field<string>(fields, "id") ?? "",
                Stored = Json.Field<bool>(fields, "stored"),
                Open = Json.Field<bool>(fields, "open"),
            };
            foreach (var id in Json.Field<List<object>>(fields, "refused") ?? new List<object>())
                if (id is string) answer.Refused.Add((string)id);
            return answer;
        }

        private static Answer NoAnswer(string message)
        {
            return new Answer { Outcome = Outcome.Unavailable, Code = Unavailable, Message = message };
        }

        private static int NumberIn(Dictionary<string, object> fields, string name)
        {
            var number = Json.Field<double>(fields, name);
            return number >= int.MinValue && number <= int.MaxValue ? (int)number : 0;
        }

        /// <summary>The default: part of every .NET and of Unity.</summary>
        public static async Task<Response> SendByWebRequest(Request request)
        {
            var web = WebRequest.CreateHttp(request.Url);
            web.Method = request.Method;
            web.AllowAutoRedirect = false;
            web.ContentType = request.Headers["Content-Type"];
            web.Headers["Authorization"] = request.Headers["Authorization"];
            var exchange = Exchange(web, Encoding.UTF8.GetBytes(request.Body));
            if (await Task.WhenAny(exchange, Task.Delay(RequestTimeoutMs)) == exchange) return await exchange;
            web.Abort();
            // What it ends with is of no interest; observed, so that nobody hears of it as unhandled.
            _ = exchange.ContinueWith(ended => ended.Exception, TaskContinuationOptions.OnlyOnFaulted);
            throw new TimeoutException("No answer within " + RequestTimeoutMs + " ms.");
        }

        private static async Task<Response> Exchange(HttpWebRequest web, byte[] body)
        {
            using (var stream = await web.GetRequestStreamAsync()) await stream.WriteAsync(body, 0, body.Length);
            using (var response = await Receive(web))
            using (var reader = new StreamReader(response.GetResponseStream(), Encoding.UTF8))
                return new Response { Status = (int)response.StatusCode, Body = await reader.ReadToEndAsync() };
        }

        /// <summary>A refusal comes as exception, with the answer in it.</summary>
        private static async Task<HttpWebResponse> Receive(HttpWebRequest web)
        {
            try
            {
                return (HttpWebResponse)await web.GetResponseAsync();
            }
            catch (WebException error) when (error.Response is HttpWebResponse)
            {
                return (HttpWebResponse)error.Response;
            }
        }

        private bool IsSigned(string text, string signature)
        {
            using (var hmac = new HMACSHA256(Encoding.UTF8.GetBytes(options.SeatSecret)))
            {
                var right = Convert.ToBase64String(hmac.ComputeHash(Encoding.UTF8.GetBytes(text)));
                right = right.TrimEnd('=').Replace('+', '-').Replace('/', '_');
                if (right.Length != signature.Length) return false;
                var difference = 0; // In constant time: how long it takes tells nothing of the right one.
                for (var i = 0; i < right.Length; i++) difference |= right[i] ^ signature[i];
                return difference == 0;
            }
        }

        private static byte[] FromBase64Url(string text)
        {
            var padding = new string('=', (4 - text.Length % 4) % 4);
            return Convert.FromBase64String(text.Replace('-', '+').Replace('_', '/') + padding);
        }

        private static bool IsBase64Url(string text)
        {
            foreach (var c in text)
                if (!(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')) return false;
            return text != "";
        }

        private static bool IsName(string text)
        {
            if (string.IsNullOrEmpty(text)) return false;
            foreach (var letter in text)
                if (letter < ' ') return false;
            return true;
        }

        private static bool IsMoment(object value)
        {
            if (!(value is double)) return false;
            var number = (double)value;
            return number >= 0 && number <= GreatestWholeNumber && number == Math.Floor(number);
        }

        private static Seat No(string refused)
        {
            return new Seat { Refused = refused };
        }
    }
}
