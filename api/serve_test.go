package api_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/lb"
)

// pipeListener is a listener whose connections are in memory, so that a server and its
// deadlines live in a synctest bubble.
type pipeListener struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func (p *pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// bubble is a server over a pipeListener, in a synctest bubble.
type bubble struct {
	*apitest.Node
	t        *testing.T // of the bubble
	server   *api.Server
	listener *pipeListener
	client   *http.Client
	stop     context.CancelFunc
	served   chan error
}

// inBubble runs f with a server whose time stands still while f works.
func inBubble(t *testing.T, adjust func(*api.Config), f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		node, cfg := apitest.Prepare(t)
		if adjust != nil {
			adjust(&cfg)
		}
		ctx, stop := context.WithCancel(t.Context())
		b := &bubble{Node: node, t: t, server: api.New(cfg), listener: newPipeListener(), stop: stop, served: make(chan error, 1)}
		transport := &http.Transport{DialContext: b.listener.dial}
		b.client = &http.Client{Transport: transport}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			b.served <- b.server.Serve(ctx, b.listener)
		}()
		f(b)
		stop()
		<-ended
		transport.CloseIdleConnections()
	})
}

func (b *bubble) send(ctx context.Context, method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := b.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}

type outcome struct {
	status int
	body   string
	err    error
	after  time.Duration
}

func (b *bubble) goSend(ctx context.Context, method, path, body string) <-chan outcome {
	done := make(chan outcome, 1)
	begin := time.Now()
	go func() {
		status, text, err := b.send(ctx, method, path, body)
		done <- outcome{status, text, err, time.Since(begin)}
	}()
	synctest.Wait()
	return done
}

func (b *bubble) fill(t *testing.T) {
	t.Helper()
	b.Discover("shop", "10.1.0.1:8080 1.0.0")
	status, text, err := b.send(t.Context(), "PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	if err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, text, err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	node, cfg := apitest.Prepare(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- api.New(cfg).Serve(ctx, l) }() //nolint:contextcheck // handlers have that of their request
	s := &fixture{Node: node, tb: t, url: "http://" + l.Addr().String()}
	s.get("/healthz").wants(t, 200, nil)
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("the listener is still open")
	}
}

func TestServeTellsOfABrokenListener(t *testing.T) {
	_, cfg := apitest.Prepare(t)
	l := newPipeListener()
	_ = l.Close()
	if err := api.New(cfg).Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), "serving the API: ") {
		t.Errorf("Serve: %v", err)
	}
}

func TestLongPollsOutliveTheTimeouts(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		poll := b.goSend(t.Context(), "GET", "/activity?wait=10m", "")
		got := <-poll
		if got.err != nil || got.status != 200 || got.body != "[]\n" || got.after != 10*time.Minute {
			t.Errorf("an empty poll: %+v", got)
		}
		poll = b.goSend(t.Context(), "GET", "/activity?wait=10m", "")
		time.Sleep(9 * time.Minute)
		b.Log.Record(t.Context(), activity.Event{Verb: activity.Online})
		if got := <-poll; got.err != nil || !strings.Contains(got.body, "online") || got.after != 9*time.Minute {
			t.Errorf("a poll with an event after nine minutes: %+v", got)
		}
	})
}

// racing is a Log in which something happens between a reader's look and its
// waiting.
type racing struct {
	*activity.Log
	once sync.Once
}

func (r *racing) Events(ctx context.Context, q activity.Query) ([]activity.Event, error) {
	events, err := r.Log.Events(ctx, q)
	r.once.Do(func() { r.Record(ctx, activity.Event{Verb: activity.Online}) })
	return events, err
}

func TestNoEventIsLostBetweenLookingAndWaiting(t *testing.T) {
	adjust := func(c *api.Config) { c.Activity = &racing{Log: c.Activity.(*activity.Log)} }
	inBubble(t, adjust, func(b *bubble) {
		t := b.t
		if got := <-b.goSend(t.Context(), "GET", "/activity?wait=10m", ""); !strings.Contains(got.body, "online") || got.after != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestSwitchesOutliveTheTimeouts(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		b.fill(t)
		late := b.goSend(t.Context(), "POST", "/backends/live", `{"version":"2.0.0","wait":"10m"}`)
		never := b.goSend(t.Context(), "POST", "/backends/live", `{"version":"9.0.0","wait":"10m"}`)
		time.Sleep(9 * time.Minute)
		b.Discover("shop", "10.1.0.1:8080 2.0.0")
		if got := <-late; got.err != nil || got.status != 200 || got.after != 9*time.Minute {
			t.Errorf("a version that came after nine minutes: %+v", got)
		}
		if got := <-never; got.err != nil || got.status != 409 || got.after != 10*time.Minute {
			t.Errorf("a version that never came: %+v", got)
		}
	})
}

func TestWhatWaitsEndsWithTheServer(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		b.fill(t)
		poll := b.goSend(t.Context(), "GET", "/activity?since=1&wait=10m", "")
		deploy := b.goSend(t.Context(), "POST", "/backends/live", `{"version":"2.0.0","wait":"10m"}`)
		time.Sleep(time.Minute)
		b.stop()
		if got := <-poll; got.err != nil || got.status != 200 || got.body != "[]\n" || got.after != time.Minute {
			t.Errorf("poll: %+v", got)
		}
		if got := <-deploy; got.err != nil || got.status != 503 || !strings.Contains(got.body, "shutting down") || got.after != time.Minute {
			t.Errorf("switch: %+v", got)
		}
		if err := <-b.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// slow is a Changer that takes its time.
type slow struct {
	api.Changer
	takes time.Duration
}

func (s slow) Edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	select {
	case <-time.After(s.takes):
		return s.Changer.Edit(ctx, e)
	case <-ctx.Done():
		return lb.Applied{}, ctx.Err()
	}
}

func TestChangesUnderWayAreFinished(t *testing.T) {
	for takes, ok := range map[time.Duration]bool{10 * time.Second: true, time.Minute: false} {
		t.Run(takes.String(), func(t *testing.T) {
			adjust := func(c *api.Config) { c.Changes = slow{c.Changes, takes} }
			inBubble(t, adjust, func(b *bubble) {
				t := b.t
				put := b.goSend(t.Context(), "PUT", "/backends/x", `{"type":"static"}`)
				b.stop()
				got := <-put
				if (got.err == nil && got.status == 200) != ok || !ok && got.after > 20*time.Second {
					t.Errorf("a change that takes %v: %+v", takes, got)
				}
				if err := <-b.served; err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		})
	}
}

func TestAChangeMayTakeLongerThanTheTimeouts(t *testing.T) {
	adjust := func(c *api.Config) { c.Changes = slow{c.Changes, 2 * time.Minute} }
	inBubble(t, adjust, func(b *bubble) {
		t := b.t
		if got := <-b.goSend(t.Context(), "PUT", "/backends/x", `{"type":"static"}`); got.err != nil || got.status != 200 {
			t.Errorf("%+v", got)
		}
	})
}

func TestACallerWhoLeavesEndsTheWaiting(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		t := b.t
		b.fill(t)
		ctx, leave := context.WithCancel(t.Context())
		deploy := b.goSend(ctx, "POST", "/backends/live", `{"version":"2.0.0","wait":"10m"}`)
		leave()
		<-deploy
		synctest.Wait()
		b.Discover("shop", "10.1.0.1:8080 2.0.0")
		synctest.Wait()
		in, err := b.Intent(t.Context())
		if err != nil || in.Backends["live"].Version != "1.0.0" {
			t.Errorf("the switch was carried out for nobody: %+v, %v", in.Backends["live"], err)
		}
	})
}
