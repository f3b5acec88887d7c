// A sample game server: `sample <port> [host]`. Players talk to it in lines over TCP. The first line is the seat token; it
// answers `welcome <user id>` or `refused <reason>`. `bye` leaves. Who is cut off may come back. The game is over when the
// last player who is there says bye.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"gameye"
)

const (
	heartbeatEvery = 10 * time.Second
	// Far more than a token has: nobody makes the server keep an endless line.
	longestLine = 2000
)

type game struct {
	server  *gameye.GameServer
	mutex   sync.Mutex
	present map[string]net.Conn
	played  []string
}

func main() {
	port, host := "7777", "0.0.0.0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	if len(os.Args) > 2 {
		host = os.Args[2]
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	server := gameye.FromEnvironment()
	report("ready", server.Ready(ctx))
	go func() {
		for {
			report("heartbeat", server.Heartbeat(ctx))
			time.Sleep(heartbeatEvery)
		}
	}()
	g := &game{server: server, present: map[string]net.Conn{}}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go g.converse(ctx, connection)
	}
}

func (g *game) converse(ctx context.Context, connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	lines.Buffer(nil, longestLine)
	if !lines.Scan() {
		return
	}
	userID, err := g.admit(ctx, lines.Text(), connection)
	if err != nil {
		fmt.Fprintf(connection, "refused %v\n", err)
		return
	}
	fmt.Fprintf(connection, "welcome %s\n", userID)
	saidBye := false
	for !saidBye && lines.Scan() {
		saidBye = lines.Text() == "bye"
	}
	g.leave(ctx, userID, connection, saidBye)
}

func (g *game) admit(ctx context.Context, token string, connection net.Conn) (string, error) {
	userID, err := g.server.VerifySeatToken(token)
	if err != nil {
		return "", err
	}
	_, refused, err := g.server.Joined(ctx, userID)
	report("joined", err)
	if slices.Contains(refused, userID) {
		return "", errors.New("no seat")
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if before := g.present[userID]; before != nil {
		before.Close()
	}
	g.present[userID] = connection
	if !slices.Contains(g.played, userID) {
		g.played = append(g.played, userID)
	}
	return userID, nil
}

// leave says that a player is gone, unless they have come back over another connection.
func (g *game) leave(ctx context.Context, userID string, connection net.Conn, saidBye bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.present[userID] != connection {
		return
	}
	delete(g.present, userID)
	if !saidBye {
		_, err := g.server.Lost(ctx, userID)
		report("left", err)
		return
	}
	_, err := g.server.Left(ctx, userID)
	report("left", err)
	if len(g.present) > 0 {
		return
	}
	_, err = g.server.Closed(ctx)
	report("closed", err)
	_, _, err = g.server.Result(ctx, map[string]any{"played": g.played}, "")
	report("result", err)
	report("end", g.server.End(ctx))
	os.Exit(0)
}

// report says how a report went; the game goes on without Nakama.
func report(what string, err error) {
	if err == nil {
		fmt.Println(what + ": done")
		return
	}
	fmt.Printf("%s: %v\n", what, err)
}
