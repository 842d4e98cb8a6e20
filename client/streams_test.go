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

// A streamer is an agent that tells of one delta after the other and hangs up, each
// time as another run of itself where its epochs say so.
type streamer struct {
	epochs []string
	seqs   [][]uint64

	mu    sync.Mutex
	asked []string // epoch and number of each subscription
}

func (s *streamer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{client.Protocol}})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	_, data, err := conn.Read(r.Context())
	var subscription struct {
		Epoch string
		Seq   json.Number
	}
	if err == nil {
		err = json.Unmarshal(data, &subscription)
	}
	if err != nil {
		return
	}
	s.mu.Lock()
	n := len(s.asked)
	s.asked = append(s.asked, subscription.Epoch+" "+subscription.Seq.String())
	s.mu.Unlock()
	if n >= len(s.epochs) {
		<-r.Context().Done()
		return
	}
	frames := []map[string]any{{"type": "hello", "epoch": s.epochs[n]}}
	for _, seq := range s.seqs[n] {
		frames = append(frames, map[string]any{"type": "delta", "topic": "status", "seq": seq})
	}
	for _, f := range frames {
		data, err := json.Marshal(f)
		if err == nil {
			err = conn.Write(r.Context(), websocket.MessageText, data)
		}
		if err != nil {
			return
		}
	}
	_ = conn.Close(websocket.StatusGoingAway, "")
}

// What was seen of one run of the agent says nothing about another: its numbers
// begin anew.
func TestStreamTellsRunsOfTheAgentApart(t *testing.T) {
	s := &streamer{epochs: []string{"one", "two", "two"}, seqs: [][]uint64{{900, 901}, {3, 4}, {5}}}
	c := canned(t, s.ServeHTTP)
	lost, enough := 0, errors.New("enough")
	err := c.Stream(t.Context(), []string{"status"}, nil, func(f client.Frame) error {
		if f.Type == "lost" {
			if lost++; lost == 3 {
				return enough
			}
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if want := []string{" ", "one 901", "two 4"}; !errors.Is(err, enough) || !slices.Equal(s.asked, want) {
		t.Errorf("%v: asked for %q, want %q", err, s.asked, want)
	}
}
