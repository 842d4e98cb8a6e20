package nodes_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"thalassa/nodes"
)

// A message goes to the agent of another node and back, and nobody who reads the packets can read it.
func TestMessagesOfDraftsAreSecret(t *testing.T) {
	t.Parallel()
	const secret = "canary-of-a-draft"
	f := newFleet(t)
	var mu sync.Mutex
	var wire bytes.Buffer
	server := f.servers["n2"]
	f.servers["n2"] = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		server.Config.Handler.ServeHTTP(answer, r)
		mu.Lock()
		wire.Write(body)
		wire.Write(answer.Body.Bytes())
		mu.Unlock()
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(f.servers["n2"].Close)
	if _, err := nodes.NewMessages(f.crews["n1"]).Tell(t.Context(), "n2", []byte(secret)); err == nil {
		t.Error("an agent without drafts answers")
	}
	f.locals["n2"].Hears(func(_ context.Context, from string, message []byte) ([]byte, error) {
		return append([]byte(from+" has said "), message...), nil
	})
	big := strings.Repeat(secret, 200_000) // more than an answer about services has
	answer, err := nodes.NewMessages(f.crews["n1"]).Tell(t.Context(), "n2", []byte(big))
	if err != nil || string(answer) != "n1 has said "+big {
		t.Fatalf("%v, %.100s", err, answer)
	}
	mu.Lock()
	defer mu.Unlock()
	if wire.Len() < len(big) || bytes.Contains(wire.Bytes(), []byte(secret)) {
		t.Errorf("%d bytes, which have the secret: %t", wire.Len(), bytes.Contains(wire.Bytes(), []byte(secret)))
	}
	f.machines["n1"].mu.Lock()
	f.machines["n1"].key = "of another cluster"
	f.machines["n1"].mu.Unlock()
	if _, err := f.locals["n1"].Key(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes.NewMessages(f.crews["n1"]).Tell(t.Context(), "n2", []byte(secret)); !errors.As(err, new(*nodes.UnreachableError)) && err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("of another cluster: %v", err)
	}
}
