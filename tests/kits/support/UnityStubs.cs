// What GameyeAllocator.cs uses of Unity's and Microsoft's packages, which are on no registry that tests reach, and a program
// that asks for a server and polls as Unity does: mono Allocator.exe <Nakama's address> <http_key> <match id> <region>
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Microsoft.Extensions.Logging
{
    public interface ILogger<T> { }

    public static class LoggerExtensions
    {
        public static void LogError<T>(this ILogger<T> logger, string message, params object[] values)
        {
            Console.Error.WriteLine(message + " " + string.Join(", ", values));
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    public class ServiceCollection
    {
        public void AddSingleton(object one) { }
    }
}

namespace Unity.Services.CloudCode.Core
{
    public interface IExecutionContext { }

    public interface ICloudCodeSetup
    {
        void Setup(ICloudCodeConfig config);
    }

    public interface ICloudCodeConfig
    {
        Microsoft.Extensions.DependencyInjection.ServiceCollection Dependencies { get; }
    }

    public class CloudCodeFunctionAttribute : Attribute
    {
        public CloudCodeFunctionAttribute(string name) { }
    }
}

namespace Unity.Services.CloudCode.Apis
{
    using Unity.Services.CloudCode.Core;

    public class Secret
    {
        public string Value;
    }

    public interface ISecretManager
    {
        Task<Secret> GetSecret(IExecutionContext context, string name);
    }

    public interface IGameApiClient
    {
        ISecretManager SecretManager { get; }
    }

    public static class GameApiClient
    {
        public static IGameApiClient Create()
        {
            return null;
        }
    }
}

namespace Unity.Services.CloudCode.Apis.Matchmaker
{
    using Unity.Services.CloudCode.Core;

    public enum AllocateStatus { Created, Error }

    public enum PollStatus { Pending, Allocated, Error }

    public class MatchmakingResults
    {
        public string PoolName;
        public string QueueName;
        public Dictionary<string, object> MatchProperties;
    }

    public class AllocateRequest
    {
        public string MatchId;
        public MatchmakingResults MatchmakingResults;
    }

    public class AllocateResponse
    {
        public readonly AllocateStatus Status;
        public Dictionary<string, object> AllocationData;
        public string Message;

        public AllocateResponse(AllocateStatus status)
        {
            Status = status;
        }
    }

    public class PollRequest
    {
        public string MatchId;
        public Dictionary<string, object> AllocationData;
    }

    public class AssignmentData
    {
        public string Ip;
        public int Port;

        public static AssignmentData IpPort(string ip, int port)
        {
            return new AssignmentData { Ip = ip, Port = port };
        }
    }

    public class PollResponse
    {
        public readonly PollStatus Status;
        public AssignmentData AssignmentData;
        public string Message;

        public PollResponse(PollStatus status)
        {
            Status = status;
        }
    }

    public interface IMatchmakerAllocator
    {
        Task<AllocateResponse> Allocate(IExecutionContext context, AllocateRequest request);
        Task<PollResponse> Poll(IExecutionContext context, PollRequest request);
    }
}

namespace Gameye
{
    using Microsoft.Extensions.Logging;
    using Unity.Services.CloudCode.Apis;
    using Unity.Services.CloudCode.Apis.Matchmaker;
    using Unity.Services.CloudCode.Core;

    public static class AllocatorProgram
    {
        private sealed class Unity : IGameApiClient, ISecretManager, ILogger<GameyeAllocator>
        {
            public string Key;

            public ISecretManager SecretManager
            {
                get { return this; }
            }

            public Task<Secret> GetSecret(IExecutionContext context, string name)
            {
                return Task.FromResult(new Secret { Value = Key });
            }
        }

        public static void Main(string[] arguments)
        {
            var unity = new Unity { Key = arguments[1] };
            var config = new GameyeAllocatorConfig { NakamaUrl = arguments[0], LongestMs = arguments.Length < 5 ? 30000 : 4000 };
            var allocator = new GameyeAllocator(unity, config, unity);
            var properties = new Dictionary<string, object> { { "Region", arguments[3] }, { "Players", "[{},{},{}]" } };
            var results = new MatchmakingResults { PoolName = "duels", MatchProperties = properties };
            var allocated = allocator.Allocate(null, new AllocateRequest { MatchId = arguments[2], MatchmakingResults = results }).Result;
            Console.WriteLine(allocated.Status + " " + (allocated.Message ?? ""));
            PollResponse polled;
            do
            {
                Thread.Sleep(100);
                polled = allocator.Poll(null, new PollRequest { MatchId = arguments[2] }).Result;
                if (polled.Status == PollStatus.Pending) Console.WriteLine("Pending");
            } while (polled.Status == PollStatus.Pending && arguments.Length < 5);
            Console.WriteLine(polled.Status + " " + (polled.Message ?? "") + polled.AssignmentData?.Ip + ":" + polled.AssignmentData?.Port);
        }
    }
}
