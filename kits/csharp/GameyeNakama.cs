// Connects GameyeClient.cs with Nakama's client library for .NET and Unity (the package Nakama, 3.10 or newer).
using System.Net.WebSockets;
using System.Threading.Tasks;
using Nakama;

namespace Gameye
{
    public sealed class GameyeNakama : INakama
    {
        private readonly IClient client;
        private readonly ISession session;
        private readonly ISocket socket;

        private GameyeNakama(IClient client, ISession session, ISocket socket)
        {
            this.client = client;
            this.session = session;
            this.socket = socket;
        }

        public static GameyeClient For(IClient client, ISession session, ISocket socket, GameyeClientOptions options = null)
        {
            var gameye = new GameyeClient(new GameyeNakama(client, session, socket), options);
            socket.ReceivedNotification += notification => gameye.OnNotification(notification.Code, notification.Content);
            socket.ReceivedMatchmakerMatched += matched => gameye.OnMatched(matched.Ticket);
            socket.Closed += reason => gameye.OnClosed();
            return gameye;
        }

        public bool IsConnected
        {
            get { return socket.IsConnected; }
        }

        public async Task<string> Rpc(string id)
        {
            try
            {
                return (await client.RpcAsync(session, id, "{}")).Payload;
            }
            catch (ApiResponseException error)
            {
                throw new NakamaRefusal((int)error.StatusCode, error.Message);
            }
        }

        public async Task<string> AddTicket(Ticket ticket)
        {
            try
            {
                if (ticket.PartyId == null)
                    return (await socket.AddMatchmakerAsync(ticket.Query, ticket.MinCount, ticket.MaxCount, ticket.Strings, ticket.Numbers)).Ticket;
                return (await socket.AddMatchmakerPartyAsync(ticket.PartyId, ticket.Query, ticket.MinCount, ticket.MaxCount, ticket.Strings, ticket.Numbers)).Ticket;
            }
            catch (WebSocketException error) when (error.WebSocketErrorCode == WebSocketError.InvalidState && socket.IsConnected)
            {
                // So the library tells what Nakama refuses; a broken socket throws the same, and is not connected.
                throw new NakamaRefusal(400, error.Message);
            }
        }

        public Task RemoveTicket(Ticket ticket, string id)
        {
            return ticket.PartyId == null ? socket.RemoveMatchmakerAsync(id) : socket.RemoveMatchmakerPartyAsync(ticket.PartyId, id);
        }

        public Task Connect()
        {
            return socket.ConnectAsync(session, true);
        }

        public Task Disconnect()
        {
            return socket.CloseAsync();
        }
    }
}
