package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"thalassa/client"
)

// scriptedAgent is an agent that answers the first subscriptions with frames of its
// own, one list for each connection, and hangs up.
type scriptedAgent struct {
	frames [][]string

	mu    sync.Mutex
	asked []string
}

func (s *scriptedAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{client.Protocol}})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	_, data, err := conn.Read(r.Context())
	if err != nil {
		return
	}
	var in struct {
		Epoch string
		Seq   uint64
	}
	_ = json.Unmarshal(data, &in) // the zero value is told apart
	s.mu.Lock()
	turn := len(s.asked)
	text, _ := json.Marshal(in) // can be encoded
	s.asked = append(s.asked, string(text))
	s.mu.Unlock()
	if turn >= len(s.frames) {
		return
	}
	for _, frame := range s.frames[turn] {
		if conn.Write(r.Context(), websocket.MessageText, []byte(frame)) != nil {
			return
		}
	}
	_ = conn.Close(websocket.StatusGoingAway, "")
}

// What a client goes on from is what it has seen whole: a state may have been
// cut off, and another agent counts anew.
func TestStreamsGoOnFromWhatWasSeenWhole(t *testing.T) {
	t.Parallel()
	const first, second = `{"type":"hello","epoch":"a","seq":12}`, `{"type":"hello","epoch":"b","seq":2}`
	s := &scriptedAgent{frames: [][]string{
		{first, `{"type":"state","topic":"backends","seq":10}`, `{"type":"state","topic":"stat","seq":12}`, `{"type":"delta","topic":"stat","seq":12}`},
		{first, `{"type":"state","topic":"backends","seq":10}`, `{"type":"state","topic":"stat","seq":12}`, `{"type":"delta","topic":"backends","seq":11}`},
		{first, `{"type":"resumed","seq":11}`, `{"type":"delta","topic":"stat","seq":14}`},
		{second, `{"type":"state","topic":"backends","seq":2}`, `{"type":"state","topic":"stat","seq":2}`, `{"type":"delta","topic":"stat","seq":3}`},
	}}
	c := canned(t, s.ServeHTTP)
	enough := errors.New("enough")
	var going []bool
	lost := 0
	err := c.Stream(t.Context(), []string{"backends", "stat"}, nil, func(f client.Frame) error {
		if f.Type == "delta" {
			going = append(going, f.Continues)
		}
		if f.Type == "lost" {
			lost++
		}
		if lost > len(s.frames) {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	const none, atA, laterA, atB = `{"Epoch":"","Seq":0}`, `{"Epoch":"a","Seq":11}`, `{"Epoch":"a","Seq":14}`, `{"Epoch":"b","Seq":3}`
	s.mu.Lock()
	defer s.mu.Unlock()
	if want := []string{none, none, atA, laterA, atB}; !slices.Equal(s.asked, want) {
		t.Errorf("asked %v\nwant  %v", s.asked, want)
	}
	if want := []bool{true, false, false, false}; !slices.Equal(going, want) {
		t.Errorf("deltas that go on with a state: %v, want %v", going, want)
	}
}
