// Runs the vectors against the kit: mcs GameyeJson.cs GameyeServer.cs test.cs && mono test.exe <folder of the vectors>
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;

namespace Gameye
{
    using Fields = Dictionary<string, object>;

    public static class Test
    {
        private static int ran;
        private static bool hasFailed;

        public static int Main(string[] arguments)
        {
            var folder = arguments.Length > 0 ? arguments[0] : "../vectors";
            Run(folder).Wait();
            Console.WriteLine(ran + " vectors");
            return hasFailed ? 1 : 0;
        }

        private static async Task Run(string folder)
        {
            // A list is none for the kit's reader: it only ever reads objects.
            var tokens = Json.ObjectIn("{\"all\":" + File.ReadAllText(folder + "/tokens.json") + "}");
            foreach (var vector in List(tokens, "all"))
            {
                Token(vector);
                ran++;
            }
            var calls = Json.ObjectIn(File.ReadAllText(folder + "/calls.json"));
            foreach (var vector in List(calls, "requests"))
            {
                await Requested(vector);
                ran++;
            }
            foreach (var vector in List(calls, "answers"))
            {
                await Answered(vector);
                ran++;
            }
            foreach (var vector in List(calls, "repetitions"))
            {
                await Repeated(vector);
                ran++;
            }
        }

        private static void Token(Fields vector)
        {
            var server = new GameServer(new GameServerOptions
            {
                SeatSecret = Text(vector, "secret"),
                SessionId = Text(vector, "session_id"),
                Now = () => (long)Number(vector, "now"),
            });
            var token = Text(vector, "token");
            var seat = Json.Field<bool>(vector, "spectator") ? server.VerifySpectatorToken(token) : server.VerifySeatToken(token);
            Check(vector, (seat.UserId ?? "") + "|" + (seat.Refused ?? ""), Text(vector, "user_id") + "|" + Text(vector, "refused"));
        }

        private static async Task Requested(Fields vector)
        {
            var played = new Played(new[] { new Response { Status = 200, Body = "{}" } });
            var server = played.Server(Text(vector, "nakama_url"), Text(vector, "server_token"));
            var answer = await Call(server, Text(vector, "call"), Json.Field<Fields>(vector, "arguments"));
            var expected = Json.Field<Fields>(vector, "request");
            var sent = played.Sent.Select(request => Sorted(new Fields
            {
                { "method", request.Method },
                { "url", request.Url },
                { "headers", request.Headers.ToDictionary(one => one.Key, one => (object)one.Value) },
                { "body", Json.ObjectIn(request.Body) },
            }));
            Check(vector, answer.Outcome + string.Concat(sent), "Done" + (expected == null ? "" : Sorted(expected)));
        }

        private static async Task Answered(Fields vector)
        {
            var response = new Response { Status = (int)Number(vector, "status"), Body = Text(vector, "body") };
            var tries = (int)Number(vector, "tries");
            var played = new Played(Enumerable.Repeat(response, tries).ToArray());
            var answer = await Call(played.Server("http://nakama", "t"), Text(vector, "call"), new Fields());
            var outcome = Text(vector, "outcome");
            var message = Text(vector, "message") == "" ? "" : answer.Message;
            Check(vector, Named(answer) + answer.Code + message, outcome + Number(vector, "code") + Text(vector, "message"));
            Check(vector, played.Sent.Count, tries);
            if (outcome == "done") Check(vector, Sorted(ValueOf(answer, Text(vector, "call"))), Sorted(Json.Field<Fields>(vector, "value")));
        }

        private static async Task Repeated(Fields vector)
        {
            var answers = List(vector, "answers")
                .Select(one => new Response { Status = (int)Number(one, "status"), Body = Text(one, "body") }).ToArray();
            var played = new Played(answers);
            var answer = await Call(played.Server("http://nakama", "t"), Text(vector, "call"), new Fields());
            var found = Named(answer) + answer.Code + " " + string.Join(",", played.Waits) + " " + played.Sent.Count;
            var waits = string.Join(",", Json.Field<List<object>>(vector, "waits_ms"));
            Check(vector, found, Text(vector, "outcome") + Number(vector, "code") + " " + waits + " " + answers.Length);
        }

        /// <summary>A server of the kit that gets these answers one after the other, and what it did.</summary>
        private sealed class Played
        {
            public readonly List<Request> Sent = new List<Request>();
            public readonly List<int> Waits = new List<int>();
            private readonly Response[] answers;

            public Played(Response[] answers)
            {
                this.answers = answers;
            }

            public GameServer Server(string url, string token)
            {
                return new GameServer(new GameServerOptions
                {
                    NakamaUrl = url,
                    ServerToken = token,
                    Send = request =>
                    {
                        Sent.Add(request);
                        if (Sent.Count > answers.Length) throw new Exception("one request too many");
                        var answer = answers[Sent.Count - 1];
                        if (answer.Status == 0) throw new Exception("no answer");
                        return Task.FromResult(answer);
                    },
                    Sleep = milliseconds =>
                    {
                        Waits.Add(milliseconds);
                        return Task.FromResult(true);
                    },
                });
            }
        }

        private static Task<Answer> Call(GameServer server, string call, Fields given)
        {
            var ids = (Json.Field<List<object>>(given, "user_ids") ?? new List<object>()).Cast<string>();
            switch (call)
            {
                case "ready": return server.Ready();
                case "joined": return server.Joined(ids);
                case "left": return server.Left(ids, Json.Field<bool>(given, "hold"));
                case "heartbeat": return server.Heartbeat();
                case "result": return server.Result(Json.Field<Fields>(given, "result") ?? new Fields(), Text(given, "round"));
                case "open": return server.Open();
                case "closed": return server.Closed();
                case "end": return server.End();
                default: throw new Exception("no call " + call);
            }
        }

        private static Fields ValueOf(Answer answer, string call)
        {
            switch (call)
            {
                case "joined": return new Fields { { "player_count", answer.PlayerCount }, { "refused", answer.Refused } };
                case "left": return new Fields { { "player_count", answer.PlayerCount } };
                case "result": return new Fields { { "id", answer.Id }, { "stored", answer.Stored } };
                case "open": case "closed": return new Fields { { "open", answer.Open } };
                default: return new Fields();
            }
        }

        private static void Check(Fields vector, object found, object expected)
        {
            if (found.Equals(expected)) return;
            hasFailed = true;
            Console.Error.WriteLine(Text(vector, "name") + ": found " + found + ", expected " + expected);
        }

        /// <summary>As JSON with the fields in one order, to compare.</summary>
        private static string Sorted(object value)
        {
            var fields = value as IDictionary<string, object>;
            if (fields == null) return Json.Write(value);
            var parts = fields.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => Json.Write(one.Key) + ":" + Sorted(one.Value));
            return "{" + string.Join(",", parts) + "}";
        }

        private static IEnumerable<Fields> List(Fields fields, string name)
        {
            return Json.Field<List<object>>(fields, name).Cast<Fields>();
        }

        private static string Named(Answer answer)
        {
            return answer.Outcome.ToString().ToLowerInvariant();
        }

        private static string Text(Fields fields, string name)
        {
            return Json.Field<string>(fields, name) ?? "";
        }

        private static double Number(Fields fields, string name)
        {
            return Json.Field<double>(fields, name);
        }
    }
}
