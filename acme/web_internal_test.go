package acme

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// A newWorker is a web server that forgets the first answer that it is told: like a worker
// that began before it, and takes over after it.
type newWorker struct {
	*httptest.Server

	told chan map[string]string
}

func (w newWorker) Answer(_ context.Context, tokens map[string]string) error {
	w.told <- tokens
	return nil
}

func (w newWorker) Reach(context.Context) ([]netip.AddrPort, error) {
	return []netip.AddrPort{netip.MustParseAddrPort(strings.TrimPrefix(w.URL, "http://"))}, nil
}

func TestAnswerOverAWorkerThatTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorker{told: make(chan map[string]string, 100)}
	knows, times := map[string]string{}, 0
	w.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		for len(w.told) > 0 {
			if told := <-w.told; times > 0 {
				knows = told
			}
			times++
		}
		text := knows[strings.TrimPrefix(r.URL.Path, challengePath)]
		if text == "" {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(answer, text)
	}))
	defer w.Close()
	c := &challenges{tokens: &tokens{web: w, answers: map[string]string{}}, logger: slog.New(slog.DiscardHandler)}
	withdraw, err := c.serve(t.Context(), "", "shop.example", "token", "text")
	if err != nil {
		t.Error(err)
	}
	withdraw()
	if len(c.tokens.answers) != 0 {
		t.Errorf("answers %v", c.tokens.answers)
	}
}
