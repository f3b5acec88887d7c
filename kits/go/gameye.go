// Package gameye is the game server kit for Go 1.21 and newer: this one file, the standard library only. What it is
// about: kits/README.md.
//
//	var server = gameye.FromEnvironment()
//	server.Ready(ctx)
//
//	// A player has sent their seat token.
//	userID, err := server.VerifySeatToken(token)
//	if err != nil {
//		return "", err
//	}
//	_, refused, err := server.Joined(ctx, userID)
//	if slices.Contains(refused, userID) {
//		return "", errors.New("no seat")
//	}
//
//	// A player has lost the connection and may come back; or has left.
//	server.Lost(ctx, userID)
//	server.Left(ctx, userID)
//
//	// The game is over.
//	server.Result(ctx, map[string]any{"played": played}, "")
//	server.End(ctx)
//
// A call that is not done answers an *Error: refused (a repetition does not help), or Unavailable (Nakama did not answer
// for half a minute). Calls go out one after the other.
package gameye

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// SeatError says why nobody is let in with a token.
type SeatError string

const (
	Malformed    SeatError = "malformed"
	Forged       SeatError = "forged"
	OtherSession SeatError = "other-session"
	Expired      SeatError = "expired"
)

func (e SeatError) Error() string { return string(e) }

// Error says why a call is not done.
type Error struct {
	// Unavailable: Nakama did not answer in time. Otherwise it has refused the call.
	Unavailable bool
	Code        int
	Message     string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

// Options are what Gameye and Nakama give every container, and the ways to the world, which have defaults.
type Options struct {
	SessionID  string
	SeatSecret string
	// Without an address or a token nothing is reported, and every call is done.
	NakamaURL   string
	ServerToken string
	// Client sends the requests. It must not follow redirections: the token would go along.
	Client interface {
		Do(*http.Request) (*http.Response, error)
	}
	Sleep func(context.Context, time.Duration) error
	Now   func() time.Time
}

const (
	requestTimeout = 10 * time.Second
	longestToken   = 1024
	// Others changed the same records, or there is another result for this round: the first passes, the second does not.
	conflict      = 10
	conflictTries = 3
	unavailable   = 14
	// More than any answer of Nakama has.
	longestAnswer = 1 << 20
)

// The pauses after the first, second, … try; after one more try it gives up.
var waits = []time.Duration{
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second,
	4 * time.Second, 8 * time.Second, 8 * time.Second,
}

var tokenForm = regexp.MustCompile(`\Av1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\z`)

// GameServer speaks for one session. Its methods may be called from several goroutines.
type GameServer struct {
	options Options
	// Held from a request to its last repetition: nobody's leave overtakes their join.
	sending sync.Mutex
}

// FromEnvironment makes a GameServer of what Gameye and Nakama give every container.
func FromEnvironment() *GameServer {
	return New(Options{
		SessionID:   os.Getenv("GAMEYE_SESSION_ID"),
		SeatSecret:  os.Getenv("SEAT_SECRET"),
		NakamaURL:   os.Getenv("NAKAMA_URL"),
		ServerToken: os.Getenv("NAKAMA_SERVER_TOKEN"),
	})
}

// New makes a GameServer.
func New(options Options) *GameServer {
	if options.Client == nil {
		options.Client = &http.Client{
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if options.Sleep == nil {
		options.Sleep = sleep
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	return &GameServer{options: options}
}

// VerifySeatToken answers whose seat this is, or a SeatError. It takes whatever a stranger sent.
func (s *GameServer) VerifySeatToken(token string) (userID string, err error) {
	return s.verify(token, "seat")
}

// VerifySpectatorToken does the same for somebody who only watches. Report them with Joined and Left like a player.
func (s *GameServer) VerifySpectatorToken(token string) (userID string, err error) {
	return s.verify(token, "watch")
}

func (s *GameServer) verify(token, kind string) (userID string, err error) {
	if len(token) > longestToken {
		return "", Malformed
	}
	parts := tokenForm.FindStringSubmatch(token)
	if parts == nil || len(parts[1])%4 == 1 {
		return "", Malformed
	}
	mac := hmac.New(sha256.New, []byte(s.options.SeatSecret))
	mac.Write([]byte("v1." + parts[1]))
	right := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	if s.options.SeatSecret == "" || !hmac.Equal([]byte(right), []byte(parts[2])) {
		return "", Forged
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", Malformed
	}
	fields := objectIn(payload)
	sessionID, userID := text(fields["sid"]), text(fields["uid"])
	end, isNumber := fields["exp"].(float64)
	isMoment := isNumber && end >= 0 && end < 1<<53 && end == math.Trunc(end)
	if fields["t"] != kind || !isName(sessionID) || !isName(userID) || !isMoment {
		return "", Malformed
	}
	if sessionID != s.options.SessionID {
		return "", OtherSession
	}
	if !s.options.Now().Before(time.Unix(int64(end), 0)) {
		return "", Expired
	}
	return userID, nil
}

// Ready says that the server can take players.
func (s *GameServer) Ready(ctx context.Context) error {
	_, err := s.report(ctx, "gameye_server_ready", fields{})
	return err
}

// Joined says that players are in. Send those away whom it answers as refused: there is no seat for them.
func (s *GameServer) Joined(ctx context.Context, userIDs ...string) (playerCount int, refused []string, err error) {
	answer, err := s.report(ctx, "gameye_server_join", fields{"user_ids": userIDs})
	all, _ := answer["refused"].([]any)
	for _, one := range all {
		if id, isText := one.(string); isText {
			refused = append(refused, id)
		}
	}
	return number(answer["player_count"]), refused, err
}

// Left says that players have left.
func (s *GameServer) Left(ctx context.Context, userIDs ...string) (playerCount int, err error) {
	return s.leave(ctx, fields{"user_ids": userIDs})
}

// Lost says that players have lost the connection: their seats are held for a while.
func (s *GameServer) Lost(ctx context.Context, userIDs ...string) (playerCount int, err error) {
	return s.leave(ctx, fields{"user_ids": userIDs, "hold": true})
}

// Heartbeat says that the server is alive. Every other call says so as well.
func (s *GameServer) Heartbeat(ctx context.Context) error {
	_, err := s.report(ctx, "gameye_server_heartbeat", fields{})
	return err
}

// Result says what came of the session, or of one of its rounds: anything that is a JSON object. The round may be
// empty. It answers stored as false when the same was known before.
func (s *GameServer) Result(ctx context.Context, document any, round string) (id string, stored bool, err error) {
	body := fields{"result": document}
	if round != "" {
		body["round"] = round
	}
	answer, err := s.report(ctx, "gameye_server_result", body)
	return text(answer["id"]), answer["stored"] == true, err
}

// Open says that others may be seated here.
func (s *GameServer) Open(ctx context.Context) (open bool, err error) {
	return s.backfill(ctx, true)
}

// Closed says that nobody else may be seated here.
func (s *GameServer) Closed(ctx context.Context) (open bool, err error) {
	return s.backfill(ctx, false)
}

// End says that the game is over: the session is stopped, this process with it.
func (s *GameServer) End(ctx context.Context) error {
	_, err := s.report(ctx, "delete_instance_info", fields{})
	return err
}

func (s *GameServer) leave(ctx context.Context, body fields) (int, error) {
	answer, err := s.report(ctx, "gameye_server_leave", body)
	return number(answer["player_count"]), err
}

func (s *GameServer) backfill(ctx context.Context, wanted bool) (bool, error) {
	answer, err := s.report(ctx, "gameye_server_backfill", fields{"open": wanted})
	return answer["open"] == true, err
}

type fields map[string]any

// report sends a request until it is settled.
func (s *GameServer) report(ctx context.Context, rpc string, body fields) (fields, error) {
	if s.options.NakamaURL == "" || s.options.ServerToken == "" {
		return nil, nil
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	for tries := 1; ; tries++ {
		answer, failure := s.send(ctx, rpc, sent)
		if failure == nil {
			return answer, nil
		}
		wait := waitAfter(tries, failure)
		if wait == 0 || s.options.Sleep(ctx, wait) != nil {
			return nil, failure
		}
	}
}

func (s *GameServer) send(ctx context.Context, rpc string, body []byte) (fields, *Error) {
	url := strings.TrimRight(s.options.NakamaURL, "/") + "/v2/rpc/" + rpc + "?unwrap="
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, noAnswer(err.Error())
	}
	request.Header.Set("Authorization", "Bearer "+s.options.ServerToken)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.options.Client.Do(request)
	if err != nil {
		return nil, noAnswer(err.Error())
	}
	defer response.Body.Close()
	received, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return nil, noAnswer(err.Error())
	}
	return judge(response.StatusCode, received)
}

// judge says what an answer means. One that is no JSON object is a proxy's: Nakama has not answered.
func judge(status int, body []byte) (fields, *Error) {
	answer := objectIn(body)
	if answer == nil {
		return nil, noAnswer(fmt.Sprintf("Status %d, and nothing that Nakama says.", status))
	}
	if status >= 200 && status < 300 {
		return answer, nil
	}
	failure := &Error{Code: number(answer["code"]), Message: text(answer["message"])}
	if failure.Code == 0 {
		failure.Code = 3
		if status >= 500 {
			failure.Code = unavailable
		}
	}
	if failure.Message == "" {
		failure.Message = fmt.Sprintf("Status %d.", status)
	}
	failure.Unavailable = failure.Code == unavailable || status >= 500
	return nil, failure
}

// waitAfter says how long to wait before the same is sent again, after so many tries; 0: it is not.
func waitAfter(tries int, failure *Error) time.Duration {
	passes := failure.Unavailable || (failure.Code == conflict && tries < conflictTries)
	if !passes || tries > len(waits) {
		return 0
	}
	return waits[tries-1]
}

func noAnswer(why string) *Error {
	return &Error{Unavailable: true, Code: unavailable, Message: why}
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// objectIn is nil for whatever is not one JSON object.
func objectIn(data []byte) fields {
	var object fields
	if json.Unmarshal(data, &object) != nil {
		return nil
	}
	return object
}

func isName(value string) bool {
	return value != "" && strings.IndexFunc(value, func(letter rune) bool { return letter < ' ' }) < 0
}

func text(value any) string {
	found, _ := value.(string)
	return found
}

func number(value any) int {
	found, _ := value.(float64)
	return int(found)
}
