package api_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/stream"
)

// A client that reads at last gets every text whole, however long it is and
// however many had to wait for room, and answers to what it asks among them.
func TestTextsThatWaitForRoom(t *testing.T) {
	hub := stream.New(stream.Config{Queue: 1000, QueueBytes: 100 << 20})
	s := streamingFixture(t, func(c *api.Config) { c.Hub = hub })
	words := hub.Log("words", 1)
	p := s.subscriber(t)
	p.next()
	p.say(`{"type":"subscribe","topics":["words"]}`)
	p.until(func(m message) bool { return m.Type == "state" })
	var sizes []int
	step := 1
	if testing.Short() {
		step = 4
	}
	for _, around := range []int{30, 125, 126, 65_535, 65_536, 1 << 20} {
		for d := -32; d <= 0; d += step { // lengths of frames change their form somewhere there
			if d == 0 || around < 1<<20 {
				sizes = append(sizes, max(0, around+d))
			}
		}
	}
	for range 5 { // more than the buffers of a connection hold
		sizes = append(sizes, 1<<20, 1)
	}
	for i, size := range sizes {
		id := strconv.Itoa(i)
		words.Append(stream.Object{ID: id, JSON: fmt.Appendf(nil, `{"id":%q,"text":%q}`, id, strings.Repeat("x", size))})
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- p.conn.Ping(ctx) }()
	for i, size := range sizes {
		m := p.until(func(m message) bool { return m.Type == "delta" })
		if o := m.has(strconv.Itoa(i)); len(m.Changed) != 1 || o == nil || len(o["text"].(string)) != size {
			t.Fatalf("text %d of %d bytes is not there", i, size)
		}
	}
	go func() { // the answer may come behind all texts
		for ctx.Err() == nil {
			words.Append(stream.Object{ID: "more", JSON: []byte(`{"id":"more"}`)})
			<-time.After(100 * time.Millisecond)
		}
	}()
	for {
		select {
		case err := <-answered:
			if err != nil {
				t.Errorf("the ping: %v", err)
			}
			return
		default:
			p.next()
		}
	}
}

// While texts wait for clients that do not read, others get theirs.
func TestAStuckClientDelaysNobody(t *testing.T) {
	hub := stream.New(stream.Config{Queue: 10_000, QueueBytes: 1 << 30})
	s := streamingFixture(t, func(c *api.Config) { c.Hub = hub })
	words := hub.Log("words", 1)
	var taps []*subscriber
	for range 4 {
		p := s.subscriber(t)
		p.next()
		p.say(`{"type":"subscribe","topics":["words"]}`)
		p.until(func(m message) bool { return m.Type == "state" })
		taps = append(taps, p)
	}
	text := strings.Repeat("x", 1<<20)
	for i := range 7 { // more than the buffers of a connection hold
		id := strconv.Itoa(i)
		words.Append(stream.Object{ID: id, JSON: fmt.Appendf(nil, `{"id":%q,"text":%q}`, id, text)})
		for _, p := range taps[1:2] {
			p.until(func(m message) bool { return m.has(id) != nil })
		}
	}
}
