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
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gameye"
)

const (
	heartbeatEvery = 10 * time.Second
	// Far more than a token has: nobody makes the server keep an endless line.
	longestLine = 2000
	notFound    = 5
)

var server = gameye.FromEnvironment()

var (
	ctx     = context.Background()
	mutex   sync.Mutex
	present = map[string]net.Conn{}
	played  = []string{}
	isOver  atomic.Bool
)

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
	go endWhenStopped()
	report("ready", server.Ready(ctx))
	go sayAlive()
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go converse(connection)
	}
}

// endWhenStopped ends the process when Gameye stops the session. When we have asked for it, the answer is on its way.
func endWhenStopped() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for range stop {
		if !isOver.Load() {
			os.Exit(0)
		}
	}
}

func sayAlive() {
	for {
		err := server.Heartbeat(ctx)
		report("heartbeat", err)
		var refusal *gameye.Error
		if errors.As(err, &refusal) && refusal.Code == notFound {
			os.Exit(0) // Nakama does not know the session any more: nobody will come.
		}
		time.Sleep(heartbeatEvery)
	}
}

func converse(connection net.Conn) {
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	lines.Buffer(nil, longestLine)
	if !lines.Scan() {
		return
	}
	userID, err := admit(lines.Text(), connection)
	if err != nil {
		fmt.Fprintf(connection, "refused %v\n", err)
		return
	}
	fmt.Fprintf(connection, "welcome %s\n", userID)
	saidBye := false
	for !saidBye && lines.Scan() {
		saidBye = lines.Text() == "bye"
	}
	leave(userID, connection, saidBye)
}

func admit(token string, connection net.Conn) (string, error) {
	userID, err := server.VerifySeatToken(token)
	if err != nil {
		return "", err
	}
	_, refused, err := server.Joined(ctx, userID)
	report("joined", err)
	if slices.Contains(refused, userID) {
		return "", errors.New("no seat")
	}
	mutex.Lock()
	defer mutex.Unlock()
	if before := present[userID]; before != nil {
		before.Close()
	}
	present[userID] = connection
	if !slices.Contains(played, userID) {
		played = append(played, userID)
	}
	return userID, nil
}

// leave says that a player is gone, unless they have come back over another connection.
func leave(userID string, connection net.Conn, saidBye bool) {
	mutex.Lock()
	defer mutex.Unlock()
	if present[userID] != connection {
		return
	}
	delete(present, userID)
	if !saidBye {
		_, err := server.Lost(ctx, userID)
		report("left", err)
		return
	}
	_, err := server.Left(ctx, userID)
	report("left", err)
	if len(present) > 0 {
		return
	}
	isOver.Store(true)
	_, err = server.Closed(ctx)
	report("closed", err)
	_, _, err = server.Result(ctx, map[string]any{"played": played}, "")
	report("result", err)
	report("end", server.End(ctx))
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
