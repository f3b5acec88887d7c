// A sample game server: mono sample.exe <port> [host]. Players talk to it in lines over TCP. The first line is the seat token;
// it answers "welcome <user id>" or "refused <reason>". "bye" leaves. Who is cut off may come back. The game is over when the
// last player who is there says bye.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Gameye
{
    public static class Sample
    {
        private const int HeartbeatMs = 10000;
        /// <summary>Far more than a token has: nobody makes the server keep an endless line.</summary>
        private const int LongestLine = 2000;

        private static readonly GameServer Server = GameServer.FromEnvironment();
        /// <summary>One player after the other: who comes and who leaves must not cross.</summary>
        private static readonly SemaphoreSlim Turn = new SemaphoreSlim(1);
        private static readonly Dictionary<string, TcpClient> Present = new Dictionary<string, TcpClient>();
        private static readonly HashSet<string> Played = new HashSet<string>();

        public static void Main(string[] arguments)
        {
            var host = IPAddress.Parse(arguments.Length > 1 ? arguments[1] : "0.0.0.0");
            var listener = new TcpListener(host, int.Parse(arguments.Length > 0 ? arguments[0] : "7777"));
            listener.Start();
            Task.WaitAll(Accept(listener), Live());
        }

        private static async Task Live()
        {
            await Report("ready", Server.Ready());
            while (true)
            {
                await Report("heartbeat", Server.Heartbeat());
                await Task.Delay(HeartbeatMs);
            }
        }

        private static async Task Accept(TcpListener listener)
        {
            while (true) _ = Converse(await listener.AcceptTcpClientAsync());
        }

        private static async Task Converse(TcpClient client)
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

        private static async Task<string> Admit(string token, Stream stream, TcpClient client)
        {
            var seat = Server.VerifySeatToken(token);
            if (seat.Refused != null) return await Refuse(stream, seat.Refused);
            var joined = await Report("joined", Server.Joined(new[] { seat.UserId }));
            if (joined.Refused.Contains(seat.UserId)) return await Refuse(stream, "no seat");
            TcpClient before;
            if (Present.TryGetValue(seat.UserId, out before)) before.Close();
            Present[seat.UserId] = client;
            Played.Add(seat.UserId);
            await Say(stream, "welcome " + seat.UserId);
            return seat.UserId;
        }

        private static async Task<string> Leave(string userId, TcpClient client, bool hold)
        {
            TcpClient present;
            if (!Present.TryGetValue(userId, out present) || present != client) return null;
            Present.Remove(userId);
            client.Close();
            await Report("left", Server.Left(new[] { userId }, hold));
            if (hold || Present.Count > 0) return null;
            await Report("closed", Server.Closed());
            await Report("result", Server.Result(new Dictionary<string, object> { { "played", Played.ToList() } }));
            await Report("end", Server.End());
            Environment.Exit(0);
            return null;
        }

        private static async Task<string> InTurn(Func<Task<string>> act)
        {
            await Turn.WaitAsync();
            try
            {
                return await act();
            }
            finally
            {
                Turn.Release();
            }
        }

        private static async Task<string> Refuse(Stream stream, string why)
        {
            await Say(stream, "refused " + why);
            return null;
        }

        private static Task Say(Stream stream, string line)
        {
            var bytes = Encoding.UTF8.GetBytes(line + "\n");
            return stream.WriteAsync(bytes, 0, bytes.Length);
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

        /// <summary>Says how a report went; the game goes on without Nakama.</summary>
        private static async Task<Answer> Report(string what, Task<Answer> report)
        {
            var answer = await report;
            var why = answer.Outcome == Outcome.Done ? "" : " (" + answer.Code + ": " + answer.Message + ")";
            Console.WriteLine(what + ": " + answer.Outcome.ToString().ToLowerInvariant() + why);
            return answer;
        }
    }
}
