// A sample game server: mono sample.exe <port> [host]. Players talk to it in lines over TCP. The first line is the seat token;
// it answers "welcome <user id>" or "refused <reason>". "bye" leaves. Who is cut off may come back. The game is over when the
// last player who is there says bye.
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Gameye
{
    public sealed class Sample
    {
        private const int HeartbeatMs = 10000;
        /// <summary>Far more than a token has: nobody makes the server keep an endless line.</summary>
        private const int LongestLine = 2000;
        private const int NotFound = 5;

        private readonly GameServer server;
        /// <summary>One player after the other: who comes and who leaves must not cross.</summary>
        private readonly SemaphoreSlim turn = new SemaphoreSlim(1);
        private readonly Dictionary<string, TcpClient> present = new Dictionary<string, TcpClient>();
        private readonly HashSet<string> played = new HashSet<string>();

        private Sample(GameServer server)
        {
            this.server = server;
        }

        public static void Main(string[] arguments)
        {
            var server = GameServer.FromEnvironment();
            var host = IPAddress.Parse(arguments.Length > 1 ? arguments[1] : "0.0.0.0");
            var listener = new TcpListener(host, int.Parse(arguments.Length > 0 ? arguments[0] : "7777"));
            listener.Start();
            var sample = new Sample(server);
            Task.WaitAll(sample.Accept(listener), sample.Live());
        }

        private async Task Live()
        {
            Log("ready", await server.Ready());
            while (true)
            {
                var answer = await server.Heartbeat();
                Log("heartbeat", answer);
                // Nakama does not know the session any more: nobody will come.
                if (answer.Outcome == Outcome.Refused && answer.Code == NotFound) Environment.Exit(0);
                await Task.Delay(HeartbeatMs);
            }
        }

        private async Task Accept(TcpListener listener)
        {
            while (true) _ = Converse(await listener.AcceptTcpClientAsync());
        }

        private async Task Converse(TcpClient client)
        {
            string userId = null;
            try
            {
                var stream = client.GetStream();
                var token = await ReadLine(stream) ?? "";
                userId = await InTurn(() => Admit(token, stream, client));
                while (userId != null && await ReadLine(stream) is string line)
                {
                    if (line != "bye") continue;
                    await InTurn(() => Leave(userId, client, false));
                    return;
                }
            }
            catch (IOException)
            {
                // Cut off.
            }
            catch (ObjectDisposedException)
            {
                // The same player came again over another connection.
            }
            finally
            {
                if (userId != null) await InTurn(() => Leave(userId, client, true));
                client.Close();
            }
        }

        /// <summary>Lets a player in; answers their user id, or null.</summary>
        private async Task<string> Admit(string token, Stream stream, TcpClient client)
        {
            Func<string, string> Refuse = why => Say(stream, "refused " + why, null);
            var seat = server.VerifySeatToken(token);
            if (seat.Refused != null) return Refuse(seat.Refused);
            var joined = await server.Joined(new[] { seat.UserId });
            Log("joined", joined);
            if (joined.Refused.Contains(seat.UserId)) return Refuse("no seat");
            TcpClient before;
            if (present.TryGetValue(seat.UserId, out before)) before.Close();
            present[seat.UserId] = client;
            played.Add(seat.UserId);
            return Say(stream, "welcome " + seat.UserId, seat.UserId);
        }

        private async Task<string> Leave(string userId, TcpClient client, bool hold)
        {
            TcpClient known;
            if (!present.TryGetValue(userId, out known) || known != client) return null;
            present.Remove(userId);
            client.Close();
            Log("left", await server.Left(new[] { userId }, hold));
            if (hold || present.Count > 0) return null;
            Log("closed", await server.Closed());
            Log("result", await server.Result(new Dictionary<string, object> { { "played", played } }));
            Log("end", await server.End());
            Environment.Exit(0);
            return null;
        }

        private async Task<string> InTurn(Func<Task<string>> act)
        {
            await turn.WaitAsync();
            try
            {
                return await act();
            }
            finally
            {
                turn.Release();
            }
        }

        /// <summary>Answers what it is given, for whoever says something as the last thing.</summary>
        private static string Say(Stream stream, string line, string answer)
        {
            var bytes = Encoding.UTF8.GetBytes(line + "\n");
            stream.Write(bytes, 0, bytes.Length);
            return answer;
        }

        /// <summary>The next line; null when there is none, or when it is too long.</summary>
        private static async Task<string> ReadLine(Stream stream)
        {
            var line = new MemoryStream();
            var one = new byte[1];
            while (line.Length < LongestLine)
            {
                if (await stream.ReadAsync(one, 0, 1) == 0) return null;
                if (one[0] == '\n') return Encoding.UTF8.GetString(line.ToArray());
                line.WriteByte(one[0]);
            }
            return null;
        }

        /// <summary>The game goes on without Nakama.</summary>
        private static void Log(string what, Answer answer)
        {
            var how = answer.Outcome == Outcome.Done ? "done" : "code " + answer.Code + ", " + answer.Message;
            Console.WriteLine(what + ": " + how);
        }
    }
}
