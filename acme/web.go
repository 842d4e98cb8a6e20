package acme

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"thalassa/internal/wake"
)

// challengePath is where servers look for answers.
const challengePath = "/.well-known/acme-challenge/"

// Times of the self-check: as long as a reload may take.
const (
	selfCheckTime  = 30 * time.Second
	selfCheckPause = 100 * time.Millisecond
	// answerAgain is how often the answers are sent to HAProxy again: a worker that started before
	// an answer and takes over after it does not have the answer.
	answerAgain = time.Second
)

// tokens are the answers that HAProxy gives now, those of the attempts under way.
type tokens struct {
	web Web

	mu      sync.Mutex // held while HAProxy is told, so that the last change wins
	answers map[string]string
	others  map[string]string // those for other nodes
}

// set changes the answers.
func (t *tokens) set(ctx context.Context, change func(answers map[string]string)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(t.answers)
	return t.tell(ctx)
}

// setOthers changes the answers for other nodes.
func (t *tokens) setOthers(ctx context.Context, others map[string]string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(others)+len(t.others) == 0 {
		return nil
	}
	t.others = others
	return t.tell(ctx)
}

func (t *tokens) tell(ctx context.Context) error {
	all := maps.Clone(t.others)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, t.answers)
	return t.web.Answer(ctx, all)
}

// keep sends the answers to HAProxy again and again until ctx ends, because another worker may take
// over.
func (t *tokens) keep(ctx context.Context) {
	for wake.Pause(ctx, answerAgain) == nil {
		_ = t.set(ctx, func(map[string]string) {}) // tried again
	}
}

// tryAnswer asks an address of this node for an answer until it is right.
func tryAnswer(ctx context.Context, to netip.AddrPort, domain, name, want string) error {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", to.String())
		},
		DisableKeepAlives: true, ResponseHeaderTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10,
	}
	client := &http.Client{
		Transport: transport, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for {
		got, err := ask(ctx, client, "http://"+domain+challengePath+name)
		if err == nil && got == want {
			return nil
		}
		if wake.Pause(ctx, selfCheckPause) != nil {
			if err != nil {
				return fmt.Errorf("HAProxy does not answer the challenge at %s: %w", to, err)
			}
			return fmt.Errorf("HAProxy does not answer the challenge at %s: the answer is wrong", to)
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return string(text), err
}
