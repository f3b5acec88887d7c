// The Cloud Code module that gives the matches of Unity's Matchmaker a server of this fleet: this file and GameyeJson.cs.
// What it is about, and what to set in Unity's dashboard: docs/unity.md.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Unity.Services.CloudCode.Apis;
using Unity.Services.CloudCode.Apis.Matchmaker;
using Unity.Services.CloudCode.Core;

namespace Gameye
{
    using Fields = Dictionary<string, object>;

    public class ModuleConfig : ICloudCodeSetup
    {
        public void Setup(ICloudCodeConfig config)
        {
            config.Dependencies.AddSingleton(GameApiClient.Create());
            config.Dependencies.AddSingleton(new GameyeAllocatorConfig
            {
                NakamaUrl = "https://nakama.example",
                // For regions of Unity that are called otherwise at Gameye, the best first.
                RegionsByRegion = { { "europe-west4", new[] { "eu-central-1", "eu-west-1" } } },
            });
        }
    }

    public class GameyeAllocatorConfig
    {
        public string NakamaUrl = "";
        /// <summary>The secret of the Unity project that holds Nakama's http_key.</summary>
        public string SecretName = "NAKAMA_HTTP_KEY";
        public Dictionary<string, string[]> RegionsByRegion = new Dictionary<string, string[]>();
        /// <summary>Unity ends a call that takes longer.</summary>
        public int LongestMs = 8000;
    }

    public class GameyeAllocator : IMatchmakerAllocator
    {
        private const int TryMs = 3000;
        private const int BetweenMs = 500;
        private static readonly HttpClient Http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
        private readonly IGameApiClient gameApiClient;
        private readonly GameyeAllocatorConfig config;
        private readonly ILogger<GameyeAllocator> logger;

        public GameyeAllocator(IGameApiClient gameApiClient, GameyeAllocatorConfig config, ILogger<GameyeAllocator> logger)
        {
            this.gameApiClient = gameApiClient;
            this.config = config;
            this.logger = logger;
        }

        /// <summary>Repeated while no answer comes: the same match leads to the same session.</summary>
        [CloudCodeFunction("Matchmaker_AllocateServer")]
        public async Task<AllocateResponse> Allocate(IExecutionContext context, AllocateRequest request)
        {
            var until = DateTime.UtcNow.AddMilliseconds(config.LongestMs);
            Answer answer;
            do
            {
                answer = await Call(context, "gameye_unity_allocate", RequestOf(request));
                if (answer.IsFinal) break;
                await Task.Delay(BetweenMs);
            } while (DateTime.UtcNow.AddMilliseconds(TryMs) < until);
            if (Json.Field<string>(answer.Fields, "Status") != "Created")
                return new AllocateResponse(AllocateStatus.Error) { Message = answer.Message };
            return new AllocateResponse(AllocateStatus.Created)
            {
                AllocationData = Json.Field<Fields>(answer.Fields, "AllocationData") ?? new Fields(),
            };
        }

        /// <summary>Unity polls again after Pending; an Error is its last word, so no answer is none.</summary>
        [CloudCodeFunction("Matchmaker_PollAllocation")]
        public async Task<PollResponse> Poll(IExecutionContext context, PollRequest request)
        {
            var answer = await Call(context, "gameye_unity_poll", new Fields { { "MatchId", request.MatchId } });
            var status = Json.Field<string>(answer.Fields, "Status");
            if (!answer.IsFinal || status == "Pending") return new PollResponse(PollStatus.Pending);
            var address = Json.Field<Fields>(answer.Fields, "AssignmentData");
            var ip = Json.Field<string>(address, "Ip");
            var port = (int)Json.Field<double>(address, "Port");
            if (status != "Allocated" || string.IsNullOrEmpty(ip) || port == 0)
                return new PollResponse(PollStatus.Error) { Message = answer.Message };
            return new PollResponse(PollStatus.Allocated) { AssignmentData = AssignmentData.IpPort(ip, port) };
        }

        /// <summary>Of what Unity knows of a match, what the fleet needs: the rest says who the players are.</summary>
        private Fields RequestOf(AllocateRequest request)
        {
            var results = request.MatchmakingResults;
            var given = results?.MatchProperties ?? new Dictionary<string, object>();
            var properties = new Fields();
            var region = TextOf(given, "Region") ?? TextOf(given, "region");
            if (region != null) properties["Region"] = region;
            double most;
            if (double.TryParse(TextOf(given, "maxPlayers"), NumberStyles.Float, CultureInfo.InvariantCulture, out most))
                properties["maxPlayers"] = most;
            // How many there are is all that is asked of them.
            var players = Json.ObjectIn("{\"all\":" + (TextOf(given, "Players") ?? TextOf(given, "players") ?? "[]") + "}");
            properties["Players"] = (Json.Field<List<object>>(players, "all") ?? new List<object>()).ConvertAll(player => new Fields());
            var body = new Fields
            {
                { "MatchId", request.MatchId },
                { "MatchmakingResults", new Fields { { "PoolName", results?.PoolName }, { "QueueName", results?.QueueName }, { "MatchProperties", properties } } },
            };
            string[] regions;
            if (region != null && config.RegionsByRegion.TryGetValue(region, out regions)) body["regions"] = regions;
            return body;
        }

        /// <summary>Values come as they were parsed: a text, or an object of a JSON library whose text is its JSON.</summary>
        private static string TextOf(IDictionary<string, object> properties, string name)
        {
            object value;
            return properties.TryGetValue(name, out value) && value != null ? Convert.ToString(value, CultureInfo.InvariantCulture) : null;
        }

        private async Task<Answer> Call(IExecutionContext context, string rpc, Fields body)
        {
            try
            {
                var key = (await gameApiClient.SecretManager.GetSecret(context, config.SecretName)).Value;
                var url = config.NakamaUrl.TrimEnd('/') + "/v2/rpc/" + rpc + "?unwrap=&http_key=" + Uri.EscapeDataString(key);
                using (var canceller = new CancellationTokenSource(TryMs))
                using (var content = new StringContent(Json.Write(body), Encoding.UTF8, "application/json"))
                using (var response = await Http.PostAsync(url, content, canceller.Token))
                    return Judge((int)response.StatusCode, await response.Content.ReadAsStringAsync());
            }
            catch (Exception error)
            {
                // Only what kind of error it is: a message could have the address, and with it the key.
                logger.LogError("Gameye: {Rpc} got no answer: {Kind}", rpc, error.GetType().Name);
                return new Answer { Message = "Nakama does not answer." };
            }
        }

        private Answer Judge(int status, string text)
        {
            var fields = Json.ObjectIn(text);
            if (fields == null || status >= 500) return new Answer { Message = "Nakama answered with status " + status + "." };
            var message = Json.Field<string>(fields, "Message") ?? Json.Field<string>(fields, "message") ?? "Status " + status + ".";
            if (status >= 300) logger.LogError("Gameye: refused with status {Status}: {Message}", status, message);
            return new Answer { IsFinal = true, Fields = status < 300 ? fields : null, Message = message };
        }

        private struct Answer
        {
            public bool IsFinal;
            public Fields Fields;
            public string Message;
        }
    }
}
