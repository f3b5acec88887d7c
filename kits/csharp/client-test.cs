// Plays the client helper against a Nakama in which a player stands where a test says, with a clock that the tests move:
// mcs GameyeJson.cs GameyeClient.cs client-test.cs && mono client-test.exe
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;

namespace Gameye
{
    public static class ClientTest
    {
        private const string None = "{\"state\":\"none\"}";
        private const string Starting = "{\"state\":\"starting\",\"session_id\":\"new\"}";
        private const string FailedBefore = "{\"state\":\"failed\",\"reason\":\"no_capacity\"}";
        private static readonly string Old = Ready("old");
        private static readonly string New = Ready("new");
        private static int ran;
        private static bool hasFailed;

        public static int Main()
        {
            Run("the notification first", None, fake => { fake.Match(); fake.Standing = New; fake.Tell(New); }, 0, "Match new");
            Run("the records first", None, fake => { fake.Match(); fake.Standing = New; fake.Pass(6000); fake.Tell(New); }, 0, "Match new");
            Run("no word at all", None, fake => fake.Standing = New, 12000, "Match new");
            Run("no answer", None, fake => { fake.Match(); fake.Standing = Starting; }, 95000, "Failed timeout");
            Run("nobody else", None, fake => { }, 301000, "Failed no_match");
            Run("a late word of the old match", Old, fake => { fake.Tell(Old); fake.Match(); fake.Tell(Ready("older")); }, 3000, "");
            Run("a late word, then the match", Old, fake => { fake.Match(); fake.Tell(Ready("older")); fake.Standing = New; }, 6000, "Match new");
            Run("the same session again", Old, fake => { fake.Match(); fake.Tell(Old); }, 1000, "Match old");
            Run("a failure, then the match", FailedBefore, fake =>
            {
                fake.Match();
                fake.Fail("no_capacity");
                fake.Standing = Starting;
                fake.Pass(4000);
                fake.Standing = New;
            }, 6000, "Match new");
            Run("the same failure again", FailedBefore, fake =>
            {
                fake.Match();
                fake.Standing = Starting;
                fake.Pass(2000);
                fake.Standing = FailedBefore;
            }, 6000, "Failed no_capacity");
            Run("a refusal that is only told", None, fake => { fake.Match(); fake.Fail("quota_exceeded"); }, 6000, "Failed quota_exceeded");
            Run("a group that nobody knows", None, fake => fake.Match(), 22000, "Failed error");
            Run("a ticket that is refused", None, fake => { }, 0, "Failed refused", fake => fake.Refuse = "Invalid query.");
            Run("a broken socket", None, fake => { fake.Break(); fake.Pass(5000); fake.Match(); fake.Standing = New; }, 6000, "Match new", tickets: 2);
            Run("a socket that breaks at the match", None, fake =>
            {
                fake.Break();
                fake.Standing = Starting;
                fake.Pass(8000);
                fake.Standing = New;
            }, 6000, "Match new");
            Run("records that cannot be read", Old, fake => { fake.Match(); fake.IsDown = true; fake.Tell(Old); fake.Pass(12000); fake.Tell(New); }, 0, "Match new");
            Run("signed out", None, fake => { }, 0, "Failed signed_out", fake => fake.Status = 401);
            Run("cancelled", None, fake => fake.Search.Cancel(), 5000, "Cancelled");
            Cancelled();
            ComesBack();
            Console.WriteLine(ran + " checks");
            return hasFailed ? 1 : 0;
        }

        private static void Run(string name, string before, Action<Fake> act, int passMs, string expected, Action<Fake> prepare = null, int tickets = 1)
        {
            var fake = new Fake { Standing = before };
            if (prepare != null) prepare(fake);
            fake.Search = fake.Client().Queue(new Ticket { MinCount = 2, MaxCount = 2 });
            act(fake);
            fake.Pass(passMs);
            Check(name, fake.Outcome(), expected);
            if (prepare == null) Check(name + ", tickets", fake.Tickets.ToString(), tickets.ToString());
        }

        private static void Cancelled()
        {
            var fake = new Fake { Standing = None, CancelStatus = 400 };
            fake.Search = fake.Client().Queue(new Ticket { MinCount = 2, MaxCount = 2 });
            fake.Standing = New;
            fake.Search.Cancel();
            fake.Pass(5000);
            Check("cancelled when it has started", fake.Outcome() + " " + fake.Calls.Contains("gameye_leave"), "Cancelled True");
        }

        private static void ComesBack()
        {
            var fake = new Fake { Standing = Old };
            fake.Search = fake.Client().ComeBack();
            Check("comes back", fake.Outcome(), "Match old");
            fake = new Fake { Standing = None };
            fake.Search = fake.Client().ComeBack();
            Check("comes back to nothing", fake.Outcome(), "Failed no_match");
            fake = new Fake { Standing = Old };
            fake.Search = fake.Client().Follow();
            fake.Match("of the party");
            fake.Standing = New;
            fake.Tell(New);
            Check("follows a leader", fake.Outcome(), "Match new");
            fake = new Fake { Standing = None };
            fake.Search = fake.Client().Solo();
            fake.Standing = New;
            fake.Pass(2000);
            Check("plays alone", fake.Outcome(), "Match new");
        }

        private static string Ready(string session)
        {
            return "{\"state\":\"ready\",\"host\":\"10.0.0.1\",\"port\":7777,\"session_id\":\"" + session + "\"}";
        }

        private static void Check(string name, string found, string expected)
        {
            ran++;
            if (found == expected) return;
            hasFailed = true;
            Console.Error.WriteLine(name + ": found " + found + ", expected " + expected);
        }

        private sealed class Fake : INakama
        {
            public string Standing;
            public string Refuse;
            public int Status;
            public int CancelStatus;
            public bool IsDown;
            public int Tickets;
            public Search Search;
            public readonly List<string> Calls = new List<string>();
            private readonly List<KeyValuePair<long, TaskCompletionSource<bool>>> timers = new List<KeyValuePair<long, TaskCompletionSource<bool>>>();
            private GameyeClient client;
            private long now = 1000000;

            public bool IsConnected { get; private set; } = true;

            public GameyeClient Client()
            {
                return client = new GameyeClient(this, new GameyeClientOptions { Now = () => now, Sleep = Timer });
            }

            public Task<string> Rpc(string id)
            {
                Calls.Add(id);
                if (IsDown) return Task.FromException<string>(new TimeoutException());
                if (Status != 0) return Task.FromException<string>(new NakamaRefusal(Status, "no"));
                if (id != "gameye_cancel") return Task.FromResult(id == "gameye_assignment" ? Standing : "{}");
                return CancelStatus == 0 ? Task.FromResult("{\"cancelled\":false}") : Task.FromException<string>(new NakamaRefusal(CancelStatus, "no"));
            }

            public Task<string> AddTicket(Ticket ticket)
            {
                if (Refuse != null) return Task.FromException<string>(new NakamaRefusal(400, Refuse));
                return Task.FromResult("t" + ++Tickets);
            }

            public Task RemoveTicket(Ticket ticket, string id)
            {
                return Task.FromResult(true);
            }

            public Task Connect()
            {
                IsConnected = true;
                return Task.FromResult(true);
            }

            public Task Disconnect()
            {
                Break();
                return Task.FromResult(true);
            }

            public void Break()
            {
                IsConnected = false;
                client.OnClosed();
            }

            public void Match(string ticket = null)
            {
                client.OnMatched(ticket ?? "t" + Tickets);
            }

            public void Tell(string content)
            {
                client.OnNotification(7300, content);
            }

            public void Fail(string reason)
            {
                client.OnNotification(7301, "{\"reason\":\"" + reason + "\"}");
            }

            /// <summary>Lets time pass: everything that waits for a moment in it goes on, in order.</summary>
            public void Pass(long ms)
            {
                var until = now + ms;
                while (timers.Any(timer => timer.Key <= until))
                {
                    var next = timers.OrderBy(timer => timer.Key).First();
                    timers.Remove(next);
                    now = Math.Max(now, next.Key);
                    next.Value.TrySetResult(true);
                }
                now = until;
            }

            public string Outcome()
            {
                if (!Search.Result.IsCompleted) return "";
                var found = Search.Result.Result;
                var detail = found.Kind == SearchKind.Match ? found.Match.SessionId : found.Reason;
                return (found.Kind + " " + detail).TrimEnd();
            }

            private Task Timer(int ms)
            {
                var timer = new TaskCompletionSource<bool>();
                timers.Add(new KeyValuePair<long, TaskCompletionSource<bool>>(now + ms, timer));
                return timer.Task;
            }
        }
    }
}
