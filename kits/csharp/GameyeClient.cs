// From a ticket to the address of a game server, for players' clients in Unity and .NET: this file and GameyeJson.cs, no
// packages. The same as kits/client in TypeScript; kits/csharp/GameyeNakama.cs connects it with Nakama's .NET client.
// C# 7, .NET Standard 2.0, Unity, Mono.
//
//   var gameye = GameyeNakama.For(client, session, socket);
//   var search = gameye.Queue(new Ticket { MinCount = 2, MaxCount = 4 });
//   var found = await search.Result;
//   if (found.Kind == SearchKind.Match) Connect(found.Match.Host, found.Match.Port, found.Match.SeatToken);
//
// A notification can be lost, late or of an older match, and a socket can break. So a notification is only a hint: what
// counts is what the RPC gameye_assignment answers, which is asked after each hint, and from time to time without one. What it
// says of a match from before the search is told apart from what is new. Nobody waits longer than the two deadlines.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace Gameye
{
    using Fields = Dictionary<string, object>;

    /// <summary>What the helper needs of Nakama's client library.</summary>
    public interface INakama
    {
        /// <summary>Answers the payload, JSON. Throws NakamaRefusal when Nakama answers an error.</summary>
        Task<string> Rpc(string id);
        /// <summary>Adds a ticket and answers its id. Throws NakamaRefusal when Nakama refuses it.</summary>
        Task<string> AddTicket(Ticket ticket);
        Task RemoveTicket(Ticket ticket, string id);
        bool IsConnected { get; }
        Task Connect();
        Task Disconnect();
    }

    /// <summary>Nakama answered, and the answer is no. Everything else that is thrown means that it did not answer.</summary>
    public sealed class NakamaRefusal : Exception
    {
        /// <summary>The HTTP status; 400 for what is refused over the socket.</summary>
        public readonly int Status;

        public NakamaRefusal(int status, string message) : base(message)
        {
            Status = status;
        }
    }

    public sealed class Ticket
    {
        public string Query = "*";
        public int MinCount;
        public int MaxCount;
        public Dictionary<string, string> Strings = new Dictionary<string, string>();
        public Dictionary<string, double> Numbers = new Dictionary<string, double>();
        /// <summary>The party whose leader asks; its members call Follow before.</summary>
        public string PartyId;
    }

    /// <summary>One of the targets of gameye_ping_targets.</summary>
    public struct PingTarget
    {
        public string Region;
        public string Host;
        public string Property;
    }

    public sealed class GameyeClientOptions
    {
        /// <summary>Measures regions: milliseconds by Property. UnityEngine.Ping does it in Unity.</summary>
        public Func<List<PingTarget>, Task<Dictionary<string, double>>> Ping;
        /// <summary>How long to look for other players.</summary>
        public int QueueMs = 300000;
        /// <summary>How long a matched player waits for a server: more than GAMEYE_CREATE_TIMEOUT.</summary>
        public int AnswerMs = 90000;
        public Func<int, Task> Sleep = milliseconds => Task.Delay(milliseconds);
        /// <summary>Milliseconds since any moment.</summary>
        public Func<long> Now = () => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
    }

    /// <summary>What gameye_match carries; everything else, such as metadata, is in Content.</summary>
    public sealed class Match
    {
        public readonly string Host;
        public readonly int Port;
        public readonly string SessionId;
        public readonly string SeatToken;
        public readonly Fields Content;

        public Match(Fields content)
        {
            Content = content;
            Host = Json.Field<string>(content, "host");
            Port = (int)Json.Field<double>(content, "port");
            SessionId = Json.Field<string>(content, "session_id");
            SeatToken = Json.Field<string>(content, "seat_token");
        }
    }

    public enum SearchKind { Match, Failed, Cancelled }

    public sealed class Found
    {
        public SearchKind Kind;
        public Match Match;
        /// <summary>
        /// A reason of gameye_failed (timeout, no_capacity, quota_exceeded, misconfigured, unavailable, error), or no_match (no
        /// group was found in time, or there is nothing to come back to), refused (Message says why) or signed_out.
        /// </summary>
        public string Reason;
        public string Message;
    }

    /// <summary>One a socket. Tell it what the socket receives, on any thread.</summary>
    public sealed class GameyeClient
    {
        private const int PingsMs = 5000;
        private readonly INakama nakama;
        private readonly GameyeClientOptions options;
        private Search running;

        public GameyeClient(INakama nakama, GameyeClientOptions options = null)
        {
            this.nakama = nakama;
            this.options = options ?? new GameyeClientOptions();
        }

        public void OnNotification(int code, string content)
        {
            running?.Post(search => search.Hear(code, Json.ObjectIn(content) ?? new Fields()));
        }

        public void OnMatched(string ticket)
        {
            running?.Post(search => search.Matched(ticket));
        }

        public void OnClosed()
        {
            running?.Post(search => { });
        }

        /// <summary>Queues for a match. A start of an earlier search is given up; a seat in a running session only for the new match.</summary>
        public Search Queue(Ticket ticket)
        {
            var isMeasured = false;
            return Begin(SearchFor.Queue, async () =>
            {
                if (!isMeasured)
                    foreach (var measured in await Measure())
                        if (!ticket.Numbers.ContainsKey(measured.Key)) ticket.Numbers[measured.Key] = measured.Value;
                isMeasured = true;
                return await nakama.AddTicket(ticket);
            }, id => nakama.RemoveTicket(ticket, id));
        }

        /// <summary>Asks for a session of one's own, or a seat in a running one, with gameye_solo_match.</summary>
        public Search Solo()
        {
            return Begin(SearchFor.Solo, async () =>
            {
                await nakama.Rpc("gameye_solo_match");
                return null;
            }, null);
        }

        /// <summary>Waits for a match that somebody else asks for, such as the party's leader. Call it before they do.</summary>
        public Search Follow()
        {
            return Begin(SearchFor.Follow, null, null);
        }

        /// <summary>After a restart or on another device: waits for what is on its way, or answers where the player has a seat.</summary>
        public Search ComeBack()
        {
            return Begin(SearchFor.ComeBack, null, null);
        }

        /// <summary>Gives the seat back.</summary>
        public Task Leave()
        {
            return nakama.Rpc("gameye_leave");
        }

        private Search Begin(SearchFor kind, Func<Task<string>> ask, Func<string, Task> remove)
        {
            if (running != null && !running.Result.IsCompleted)
                throw new InvalidOperationException("A search is on its way already: wait for its result, or cancel it.");
            var search = new Search(nakama, options, kind, ask, remove);
            running = search;
            search.Start();
            return search;
        }

        /// <summary>Without measurements a ticket is still a ticket, so whatever goes wrong here costs nobody their match.</summary>
        private async Task<Dictionary<string, double>> Measure()
        {
            if (options.Ping == null) return new Dictionary<string, double>();
            try
            {
                return await Search.Within(MeasureTargets(), PingsMs, options);
            }
            catch (Exception)
            {
                return new Dictionary<string, double>();
            }
        }

        /// <summary>Just after Nakama's start the targets may not be known yet.</summary>
        private async Task<Fields> AskTargets(long endAt)
        {
            while (true)
            {
                try
                {
                    return Json.ObjectIn(await nakama.Rpc("gameye_ping_targets"));
                }
                catch (NakamaRefusal refusal) when (refusal.Status >= 500 && options.Now() < endAt)
                {
                    // Asked again below.
                }
                await options.Sleep(PingsMs / 10);
            }
        }

        private async Task<Dictionary<string, double>> MeasureTargets()
        {
            var answer = await AskTargets(options.Now() + PingsMs);
            var targets = new List<PingTarget>();
            foreach (var item in Json.Field<List<object>>(answer, "targets") ?? new List<object>())
            {
                var target = item as Fields;
                targets.Add(new PingTarget
                {
                    Region = Json.Field<string>(target, "region"),
                    Host = Json.Field<string>(target, "host"),
                    Property = Json.Field<string>(target, "property"),
                });
            }
            return targets.Count > 0 ? await options.Ping(targets) : new Dictionary<string, double>();
        }
    }

    internal enum SearchFor { Queue, Solo, Follow, ComeBack }

    /// <summary>All of it runs in one loop; what comes from outside is queued for it.</summary>
    public sealed class Search
    {
        private const int MatchCode = 7300;
        private const int FailedCode = 7301;
        /// <summary>Looks without a hint: while nobody is matched, and then from the shortest to the longest.</summary>
        private const int IdleMs = 10000;
        private const int ShortestMs = 1000;
        private const int LongestMs = 5000;
        /// <summary>Between a match and the first statement about it, the records say what they said before: rarely longer.</summary>
        private const int GraceMs = 2000;
        /// <summary>So long after a match the records mean this match, whatever they say.</summary>
        private const int SettledMs = 15000;
        /// <summary>A notification counts without the records when they cannot be read for so long.</summary>
        private const int UnreadableMs = 5000;
        private const int ConnectMs = 10000;

        private readonly INakama nakama;
        private readonly GameyeClientOptions options;
        private readonly SearchFor kind;
        private readonly Func<Task<string>> ask;
        private readonly Func<string, Task> remove;
        private readonly TaskCompletionSource<Found> result = new TaskCompletionSource<Found>();
        private readonly ConcurrentQueue<Action<Search>> posted = new ConcurrentQueue<Action<Search>>();
        private readonly List<string> matchedTickets = new List<string>();
        private readonly Random random = new Random();
        private readonly long startedAt;
        private TaskCompletionSource<bool> wake = new TaskCompletionSource<bool>();
        /// <summary>Where the player stood before the search: that is no answer to it.</summary>
        private Fields before;
        private string ticket;
        /// <summary>Since when the search is no longer about finding other players.</summary>
        private long? matchedAt;
        /// <summary>The records said starting, so all that they say later is about this search.</summary>
        private bool hasBegun;
        private bool mustAsk;
        private bool hasAsked;
        /// <summary>Before this moment an answer about a match that was made just before the socket broke may still come.</summary>
        private long askAt;
        private Match toldMatch;
        private string toldReason;
        private long toldAt;
        private volatile bool isCancelled;
        private long? unreadableSince;
        private int failures;
        private int looks;

        internal Search(INakama nakama, GameyeClientOptions options, SearchFor kind, Func<Task<string>> ask, Func<string, Task> remove)
        {
            this.nakama = nakama;
            this.options = options;
            this.kind = kind;
            this.ask = ask;
            this.remove = remove;
            mustAsk = ask != null;
            startedAt = options.Now();
        }

        /// <summary>Never throws.</summary>
        public Task<Found> Result
        {
            get { return result.Task; }
        }

        /// <summary>Takes the player out of the queue, of a start that is on its way, and of a match that came meanwhile.</summary>
        public Task Cancel()
        {
            isCancelled = true;
            Post(search => { });
            return result.Task;
        }

        internal void Post(Action<Search> action)
        {
            posted.Enqueue(action);
            wake.TrySetResult(true);
        }

        internal void Hear(int code, Fields content)
        {
            // Before the match is made, it is about an earlier one.
            if (matchedAt == null && kind == SearchFor.Queue) return;
            var match = new Match(content);
            if (code == MatchCode && match.Host != null && match.SessionId != null) toldMatch = match;
            if (code != FailedCode) return;
            toldReason = Json.Field<string>(content, "reason") ?? "error";
            toldAt = options.Now();
        }

        internal void Matched(string id)
        {
            matchedTickets.Add(id);
            NoteMatch();
        }

        internal async void Start()
        {
            Found found;
            try
            {
                found = await StandBefore() ?? await Wait();
            }
            catch (Ended ended)
            {
                found = ended.Found;
            }
            catch (Exception error)
            {
                found = Failed("error", error.Message);
            }
            result.TrySetResult(found);
        }

        private async Task<Found> StandBefore()
        {
            while (kind != SearchFor.ComeBack && !isCancelled)
            {
                var now = await Look();
                var isStarting = StateOf(now) == "starting";
                hasBegun = isStarting && kind != SearchFor.Queue;
                if (hasBegun) mustAsk = false;
                if (now != null && (!isStarting || hasBegun))
                {
                    before = now;
                    return null;
                }
                // Two matches on their way for one player could not be told apart.
                if (now != null) await Quietly(nakama.Rpc("gameye_cancel"));
                if (options.Now() >= Deadline()) return Failed("unavailable", null);
                await Sleep(now != null ? GraceMs / 4 : Pause());
            }
            return null;
        }

        private async Task<Found> Wait()
        {
            while (true)
            {
                TakePosted();
                if (isCancelled) return await GiveUp(new Found { Kind = SearchKind.Cancelled });
                if (options.Now() >= Deadline()) return await GiveUp(TooLate());
                // The first ticket needs no look: that was before it.
                var isFirst = mustAsk && askAt == 0;
                var now = isFirst ? null : await Look();
                TakePosted();
                var found = now != null ? Verdict(now) : Unconfirmed();
                if (found != null) return found;
                // Nakama forgets the tickets of who disconnects.
                if (ticket != null && matchedAt == null && !nakama.IsConnected) AskAgain();
                if (!nakama.IsConnected) await Connect();
                var mayAsk = mustAsk && !hasBegun && nakama.IsConnected && options.Now() >= askAt;
                if (mayAsk && !isCancelled && (now != null || isFirst)) await Ask();
                await Sleep(Pause());
            }
        }

        /// <summary>What the records say, when it is about this search.</summary>
        private Found Verdict(Fields now)
        {
            var state = StateOf(now);
            if (state == "starting")
            {
                hasBegun = true;
                matchedAt = matchedAt ?? options.Now();
                return null;
            }
            var isAbout = hasBegun || (matchedAt != null && options.Now() - matchedAt >= SettledMs);
            if (state == "ready")
            {
                var match = new Match(now);
                if (isAbout || !IsSame(now) || toldMatch?.SessionId == match.SessionId) return MatchOf(match);
            }
            else if (state == "failed")
            {
                if (isAbout || !IsSame(now)) return Failed(Json.Field<string>(now, "reason") ?? "error", null);
            }
            else if (isAbout) return Failed(toldReason ?? "error", null);
            else if (kind == SearchFor.ComeBack) return Failed("no_match", null);
            // A player who is refused alone, such as by a limit, is told so and has no record.
            return toldReason != null && options.Now() - toldAt >= GraceMs ? Failed(toldReason, null) : null;
        }

        /// <summary>The notification alone, when the records cannot be read: the server is there and the seat is not held for ever.</summary>
        private Found Unconfirmed()
        {
            if (toldMatch == null || unreadableSince == null || options.Now() - unreadableSince < UnreadableMs) return null;
            var isOld = StateOf(before) == "ready" && Json.Field<string>(before, "session_id") == toldMatch.SessionId;
            return isOld ? null : MatchOf(toldMatch);
        }

        private async Task Ask()
        {
            mustAsk = false;
            hasAsked = true;
            var isLost = false;
            try
            {
                ticket = await ask();
                NoteMatch();
            }
            catch (NakamaRefusal refusal) when (refusal.Status < 500 && refusal.Status != 409)
            {
                throw new Ended(Failed("refused", refusal.Message));
            }
            catch (Exception)
            {
                isLost = true;
            }
            if (!isLost) return;
            AskAgain();
            // A ticket whose answer was lost would be matched beside the next one; with its connection it is gone.
            if (kind == SearchFor.Queue && nakama.IsConnected) await Quietly(Within(nakama.Disconnect(), ConnectMs, options));
        }

        private void AskAgain()
        {
            ticket = null;
            mustAsk = true;
            askAt = options.Now() + GraceMs;
        }

        /// <summary>The word that the group is complete can come before the answer that names the ticket.</summary>
        private void NoteMatch()
        {
            var isAsked = kind == SearchFor.Solo && !mustAsk;
            var isOurs = kind == SearchFor.Queue ? ticket != null && matchedTickets.Contains(ticket) : matchedTickets.Count > 0;
            if (!(isAsked || isOurs) || matchedAt != null) return;
            matchedAt = options.Now();
            looks = 0;
            wake.TrySetResult(true);
        }

        /// <summary>Takes the player out of everything that this search led to, and answers what became of it.</summary>
        private async Task<Found> GiveUp(Found otherwise)
        {
            var isFollowing = kind == SearchFor.Follow && before != null;
            if (!hasBegun && !hasAsked && !isFollowing) return otherwise;
            var isRemoved = ticket == null || await RemoveTicket();
            // A match may be made, and not stored yet: then there is nothing to cancel until a moment later.
            var tries = matchedAt == null && isRemoved ? 1 : 4;
            for (var i = 0; i < tries; i++)
            {
                if (i > 0) await options.Sleep(ShortestMs);
                var found = await CancelStart(otherwise);
                if (found == null) continue;
                if (found.Kind == SearchKind.Match && otherwise.Kind == SearchKind.Cancelled) await Quietly(nakama.Rpc("gameye_leave"));
                return otherwise.Kind == SearchKind.Cancelled ? otherwise : found;
            }
            return otherwise;
        }

        /// <summary>The match when it is too late, otherwise when the start was cancelled, null when there was none.</summary>
        private async Task<Found> CancelStart(Found otherwise)
        {
            try
            {
                var answer = Json.ObjectIn(await nakama.Rpc("gameye_cancel"));
                return Json.Field<bool>(answer, "cancelled") ? otherwise : null;
            }
            catch (NakamaRefusal refusal) when (refusal.Status == 400)
            {
                // The session has started already.
            }
            catch (Exception)
            {
                return null;
            }
            var now = await LookQuietly();
            var found = now == null ? null : Verdict(now);
            return found != null && found.Kind == SearchKind.Match ? found : null;
        }

        /// <summary>False when Nakama does not know it any more: then it was matched, or the connection broke.</summary>
        private async Task<bool> RemoveTicket()
        {
            return matchedAt == null && await Quietly(Within(remove(ticket), ConnectMs, options));
        }

        private long Deadline()
        {
            if (matchedAt != null) return matchedAt.Value + options.AnswerMs;
            return startedAt + (kind == SearchFor.ComeBack ? options.AnswerMs : options.QueueMs);
        }

        private Found TooLate()
        {
            if (unreadableSince != null) return Failed("unavailable", null);
            return Failed(matchedAt == null ? "no_match" : "timeout", null);
        }

        /// <summary>Where the player stands; null when that cannot be read now.</summary>
        private async Task<Fields> Look()
        {
            looks++;
            try
            {
                var standing = Json.ObjectIn(await nakama.Rpc("gameye_assignment"));
                if (standing == null) throw new FormatException("no JSON object");
                failures = 0;
                unreadableSince = null;
                return standing;
            }
            catch (NakamaRefusal refusal) when (refusal.Status == 401)
            {
                throw new Ended(Failed("signed_out", null));
            }
            catch (NakamaRefusal refusal) when (refusal.Status == 403 || refusal.Status == 404)
            {
                throw new Ended(Failed("misconfigured", refusal.Message));
            }
            catch (Exception)
            {
                failures++;
                unreadableSince = unreadableSince ?? options.Now();
                return null;
            }
        }

        private async Task<Fields> LookQuietly()
        {
            try
            {
                return await Look();
            }
            catch (Ended)
            {
                return null;
            }
        }

        private async Task Connect()
        {
            if (!await Quietly(Within(nakama.Connect(), ConnectMs, options))) failures++;
        }

        /// <summary>Until the next look. Not in step with others who wait for the same.</summary>
        private int Pause()
        {
            var isWaiting = matchedAt != null || mustAsk || !nakama.IsConnected;
            var doubling = Math.Min(ShortestMs * Math.Pow(2, Math.Min(failures, 10)), IdleMs);
            var growing = Math.Min(ShortestMs * Math.Pow(1.5, Math.Max(0, looks - 2)), LongestMs);
            var ms = failures > 0 ? doubling : isWaiting ? growing : IdleMs;
            return (int)(ms * (0.8 + 0.4 * random.NextDouble()));
        }

        private void TakePosted()
        {
            Action<Search> action;
            while (posted.TryDequeue(out action)) action(this);
        }

        private async Task Sleep(int ms)
        {
            var left = Math.Max(0, Math.Min(ms, Deadline() - options.Now()));
            if (posted.IsEmpty) await Task.WhenAny(wake.Task, options.Sleep((int)left));
            wake = new TaskCompletionSource<bool>();
            TakePosted();
        }

        internal static async Task<T> Within<T>(Task<T> task, int ms, GameyeClientOptions options)
        {
            await Within((Task)task, ms, options);
            return await task;
        }

        private static async Task Within(Task task, int ms, GameyeClientOptions options)
        {
            if (await Task.WhenAny(task, options.Sleep(ms)) != task) throw new TimeoutException("no answer within " + ms + " ms");
            await task;
        }

        private static async Task<bool> Quietly(Task task)
        {
            try
            {
                await task;
                return true;
            }
            catch (Exception)
            {
                return false;
            }
        }

        private bool IsSame(Fields now)
        {
            var state = StateOf(now);
            var field = state == "ready" ? "session_id" : "reason";
            return state == StateOf(before) && Json.Field<string>(now, field) == Json.Field<string>(before, field);
        }

        private static string StateOf(Fields standing)
        {
            return Json.Field<string>(standing, "state");
        }

        private static Found MatchOf(Match match)
        {
            match.Content.Remove("state");
            return new Found { Kind = SearchKind.Match, Match = match };
        }

        private static Found Failed(string reason, string message)
        {
            return new Found { Kind = SearchKind.Failed, Reason = reason, Message = message };
        }

        /// <summary>Ends a search from within.</summary>
        private sealed class Ended : Exception
        {
            public readonly Found Found;

            public Ended(Found found)
            {
                Found = found;
            }
        }
    }
}
