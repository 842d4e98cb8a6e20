package api_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"thalassa/api"
	"thalassa/stream"
)

// subscriber connects to a server in a bubble, where nothing is sent that is not read,
// and time stands still while somebody works.
func (b *bubble) subscriber() *subscriber {
	b.t.Helper()
	conn, _, err := dial(b.t.Context(), "ws://localhost", &websocket.DialOptions{HTTPClient: b.client})
	if err != nil {
		b.t.Fatal(err)
	}
	return newSubscriber(b.t, conn)
}

// follow keeps the streams of a bubble up to date.
func (b *bubble) follow() (end func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.server.Follow(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Follow: %v", err)
		}
	}
}

func TestFollowersMustSubscribeInTime(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		p := b.subscriber()
		defer p.leave()
		p.next()
		begin := time.Now()
		if code := p.closed(); code != 4001 || time.Since(begin) != 10*time.Second {
			t.Errorf("closed with %d after %v", code, time.Since(begin))
		}
	})
}

func TestFollowersAreToldThatTheServerEnds(t *testing.T) {
	inBubble(t, nil, func(b *bubble) {
		p := b.subscriber()
		defer p.leave()
		p.next()
		b.stop()
		if code := p.closed(); code != websocket.StatusGoingAway {
			t.Errorf("closed with %d", code)
		}
		if err := <-b.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		b.served <- nil
	})
}

// change makes a change that the topic backends tells.
func (b *bubble) change(number int) {
	b.t.Helper()
	body := fmt.Sprintf(`{"type":"static","members":[{"host":"10.0.0.1","port":%d}]}`, number)
	if status, text, err := b.send(b.t.Context(), "PUT", "/backends/live", body); err != nil || status != 200 {
		b.t.Fatalf("%d %s %v", status, text, err)
	}
	time.Sleep(time.Second) // in a bubble: no time passes outside
}

// A client that does not read is closed as too slow, and nobody else notices.
func TestFollowersThatAreTooSlow(t *testing.T) {
	inBubble(t, func(c *api.Config) { c.Hub = stream.New(stream.Config{Queue: 4}) }, func(b *bubble) {
		defer b.follow()()
		slow, quick := b.subscriber(), b.subscriber()
		defer slow.leave()
		defer quick.leave()
		for _, p := range []*subscriber{slow, quick} {
			p.next()
			p.say(`{"type":"subscribe","topics":["backends"]}`)
			p.until(func(m message) bool { return m.Type == "state" })
		}
		for number := 1; number <= 7; number++ {
			b.change(number)
			begin := time.Now()
			quick.until(func(m message) bool { return m.Type == "delta" })
			if time.Since(begin) > 0 {
				t.Errorf("another client waited %v", time.Since(begin))
			}
		}
		slow.until(func(m message) bool { return m.Type == "delta" }) // was under way
		if code := slow.closed(); code != 4003 {
			t.Errorf("closed with %d", code)
		}
	})
}

func TestFollowersThatAreGone(t *testing.T) {
	var hub *stream.Hub
	inBubble(t, func(c *api.Config) { hub = stream.New(stream.Config{}); c.Hub = hub }, func(b *bubble) {
		defer b.follow()()
		there, gone := b.subscriber(), b.subscriber()
		defer gone.leave()
		for _, p := range []*subscriber{there, gone} {
			p.next()
			p.say(`{"type":"subscribe","topics":["frontends"]}`)
			p.until(func(m message) bool { return m.Type == "state" })
		}
		ctx := there.conn.CloseRead(b.t.Context()) // reads, and answers pings
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := hub.Clients(); n != 1 || ctx.Err() != nil {
			t.Errorf("%d clients after a minute, the one that reads: %v", n, ctx.Err())
		}
		there.leave()
		synctest.Wait()
		if n := hub.Clients(); n != 0 {
			t.Errorf("%d clients at the end", n)
		}
	})
}
