package gameye

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

type received struct {
	Status int
	Body   string
}

type given struct {
	UserIDs []string `json:"user_ids"`
	Hold    bool
	Result  any
	Round   string
}

// world answers requests one after the other and writes down what is asked of it.
type world struct {
	answers  []received
	requests []map[string]any
	waits    []int64
}

func (w *world) Do(request *http.Request) (*http.Response, error) {
	text, _ := io.ReadAll(request.Body)
	var body any
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	headers := map[string]any{}
	for name := range request.Header {
		headers[name] = request.Header.Get(name)
	}
	w.requests = append(w.requests, map[string]any{
		"method": request.Method, "url": request.URL.String(), "headers": headers, "body": body,
	})
	if len(w.requests) > len(w.answers) {
		return nil, errors.New("one request too many")
	}
	answer := w.answers[len(w.requests)-1]
	if answer.Status == 0 {
		return nil, errors.New("no answer")
	}
	return &http.Response{StatusCode: answer.Status, Body: io.NopCloser(strings.NewReader(answer.Body))}, nil
}

func (w *world) server(options Options) *GameServer {
	options.Client = w
	options.Sleep = func(_ context.Context, pause time.Duration) error {
		w.waits = append(w.waits, pause.Milliseconds())
		return nil
	}
	return New(options)
}

// call answers what the vectors call outcome, code, message and value.
func call(s *GameServer, name string, with given) (outcome string, code int, message string, value map[string]any) {
	ctx := context.Background()
	value = map[string]any{}
	var err error
	switch name {
	case "ready":
		err = s.Ready(ctx)
	case "joined":
		count, refused, failure := s.Joined(ctx, with.UserIDs...)
		ids := []any{}
		for _, id := range refused {
			ids = append(ids, id)
		}
		value, err = map[string]any{"player_count": float64(count), "refused": ids}, failure
	case "left":
		leave := s.Left
		if with.Hold {
			leave = s.Lost
		}
		count, failure := leave(ctx, with.UserIDs...)
		value, err = map[string]any{"player_count": float64(count)}, failure
	case "heartbeat":
		err = s.Heartbeat(ctx)
	case "result":
		id, stored, failure := s.Result(ctx, with.Result, with.Round)
		value, err = map[string]any{"id": id, "stored": stored}, failure
	case "open", "closed":
		backfill := s.Open
		if name == "closed" {
			backfill = s.Closed
		}
		open, failure := backfill(ctx)
		value, err = map[string]any{"open": open}, failure
	case "end":
		err = s.End(ctx)
	}
	var failure *Error
	if !errors.As(err, &failure) {
		return "done", 0, "", value
	}
	outcome = "refused"
	if failure.Unavailable {
		outcome = "unavailable"
	}
	return outcome, failure.Code, failure.Message, map[string]any{}
}

func read(t *testing.T, file string, into any) {
	text, err := os.ReadFile("../vectors/" + file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, name string, found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		t.Errorf("%s: found %v, expected %v", name, found, expected)
	}
}

func TestVectors(t *testing.T) {
	var tokens []struct {
		Name, Secret, Token, Refused string
		SessionID                    string `json:"session_id"`
		UserID                       string `json:"user_id"`
		Now                          int64
		Spectator                    bool
	}
	read(t, "tokens.json", &tokens)
	for _, v := range tokens {
		now := func() time.Time { return time.Unix(v.Now, 0) }
		server := New(Options{SessionID: v.SessionID, SeatSecret: v.Secret, Now: now})
		verify := server.VerifySeatToken
		if v.Spectator {
			verify = server.VerifySpectatorToken
		}
		userID, err := verify(v.Token)
		refused := ""
		if err != nil {
			refused = err.Error()
		}
		check(t, v.Name, []string{userID, refused}, []string{v.UserID, v.Refused})
	}

	var calls struct {
		Requests []struct {
			Name, Call  string
			NakamaURL   string `json:"nakama_url"`
			ServerToken string `json:"server_token"`
			Arguments   given
			Request     map[string]any
		}
		Answers []struct {
			received
			Name, Call, Outcome, Message string
			Tries, Code                  int
			Value                        map[string]any
		}
		Repetitions []struct {
			Name, Call, Outcome string
			Answers             []received
			WaitsMs             []int64 `json:"waits_ms"`
			Code                int
		}
	}
	read(t, "calls.json", &calls)
	for _, v := range calls.Requests {
		w := world{answers: []received{{200, "{}"}}}
		outcome, _, _, _ := call(w.server(Options{NakamaURL: v.NakamaURL, ServerToken: v.ServerToken}), v.Call, v.Arguments)
		check(t, v.Name, outcome, "done")
		var expected []map[string]any
		if v.Request != nil {
			expected = append(expected, v.Request)
		}
		check(t, v.Name, w.requests, expected)
	}
	options := Options{NakamaURL: "http://nakama", ServerToken: "t"}
	for _, v := range calls.Answers {
		w := world{}
		for len(w.answers) < v.Tries {
			w.answers = append(w.answers, v.received)
		}
		outcome, code, message, value := call(w.server(options), v.Call, given{})
		if v.Message == "" {
			message = ""
		}
		check(t, v.Name, []any{outcome, code, message, value, len(w.requests)}, []any{v.Outcome, v.Code, v.Message, v.Value, v.Tries})
	}
	for _, v := range calls.Repetitions {
		w := world{answers: v.Answers, waits: []int64{}}
		outcome, code, _, _ := call(w.server(options), v.Call, given{})
		check(t, v.Name, []any{outcome, code, w.waits, len(w.requests)}, []any{v.Outcome, v.Code, v.WaitsMs, len(v.Answers)})
	}
	fmt.Println(len(tokens)+len(calls.Requests)+len(calls.Answers)+len(calls.Repetitions), "vectors")
}
