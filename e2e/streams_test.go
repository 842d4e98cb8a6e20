package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"thalassa/internal/testkit"
)

// A mirror is what a client of /streams knows by now: objects by topic and id.
type mirror struct {
	tb   testing.TB
	conn *websocket.Conn

	mu     sync.Mutex
	topics map[string]map[string]map[string]any
	at     map[string]int64 // when the state of a topic was as it was told first
	err    error            // that ended it
}

// mirror follows topics until the test's end.
func (n *node) mirror(topics ...string) *mirror {
	n.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, res, err := websocket.Dial(ctx, fmt.Sprintf("ws://127.0.0.1:%d/streams", n.api), &websocket.DialOptions{Subprotocols: []string{"thalassa.v1"}})
	if err != nil {
		n.tb.Fatal(err)
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	conn.SetReadLimit(64 << 20)
	subscription, err := json.Marshal(map[string]any{"type": "subscribe", "topics": topics})
	if err != nil {
		n.tb.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageText, subscription); err != nil {
		n.tb.Fatal(err)
	}
	m := &mirror{tb: n.tb, conn: conn, topics: map[string]map[string]map[string]any{}, at: map[string]int64{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for m.err == nil {
			m.read(ctx)
		}
	}()
	n.tb.Cleanup(func() {
		cancel()
		<-ended
	})
	return m
}

func (m *mirror) read(ctx context.Context) {
	_, data, err := m.conn.Read(ctx)
	var frame struct {
		Type, Topic      string
		Time             int64
		Objects, Changed []map[string]any
		Removed          []string
	}
	if err == nil {
		err = json.Unmarshal(data, &frame)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	if frame.Type == "state" {
		m.at[frame.Topic] = frame.Time
		m.topics[frame.Topic] = map[string]map[string]any{}
	}
	for _, o := range append(frame.Objects, frame.Changed...) {
		id, _ := o["id"].(string)
		if frame.Topic == "stat" || frame.Topic == "totals" {
			o = testkit.Merge(m.topics[frame.Topic][id], o)
		}
		m.topics[frame.Topic][id] = o
	}
	for _, id := range frame.Removed {
		delete(m.topics[frame.Topic], id)
	}
}

// object is one as it is known now; nil: it is not there.
func (m *mirror) object(topic, id string) map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics[topic][id]
}

// figure is a number in an object; -1: it is not there.
func (m *mirror) figure(topic, id, name string) float64 {
	if f, ok := m.object(topic, id)[name].(float64); ok {
		return f
	}
	return -1
}

// since waits until a mirror's first totals have all of what has been until now.
// The look at HAProxy may have begun before the time that they tell, and the one
// after it has not.
func (n *node) since(topics ...string) *mirror {
	n.tb.Helper()
	now, m, looks := time.Now().UnixMilli(), n.mirror(topics...), 0
	m.until(func() error {
		m.mu.Lock()
		at, err := m.at["totals"], m.err
		m.mu.Unlock()
		switch {
		case err != nil:
			return err
		case at == 0:
			return errors.New("there are no totals yet")
		case at <= now:
			m = n.mirror(topics...)
			return fmt.Errorf("the totals are older by %d ms", now-at)
		case looks == 0:
			now, looks, m = at, 1, n.mirror(topics...)
			return errors.New("there was one look only")
		}
		return nil
	})
	return m
}

// until waits for what the mirror is to show.
func (m *mirror) until(ok func() error) {
	m.tb.Helper()
	testkit.Eventually(m.tb, patience, ok)
}

// untilRequests waits for a total.
func (m *mirror) untilRequests(id string, want float64) {
	m.tb.Helper()
	m.until(func() error {
		if got := m.figure("totals", id, "requests"); got != want {
			return fmt.Errorf("%s has %v requests, want %v (%v)", id, got, want, m.object("totals", id))
		}
		return nil
	})
}

// TestStreamsFollowTheWholeNode watches traffic, a switch and a reload over one
// websocket.
func TestStreamsFollowTheWholeNode(t *testing.T) {
	n, consul := serving(t, 1)
	service(t, consul, "1.1.0", 1)
	m := n.since("status", "frontends", "backends", "services", "stat", "totals", "activity")
	const web, live = "stat/frontend/web", "stat/backend/live"
	m.until(func() error {
		if m.figure("stat", live, "healthy") < 1 || m.object("frontends", "frontend/web") == nil || m.object("status", "status") == nil {
			return fmt.Errorf("the backend is %v", m.object("stat", live))
		}
		return nil
	})
	before := m.figure("totals", web, "requests")
	const each = 20
	requests := func() {
		t.Helper()
		for range each {
			if _, err := n.get(); err != nil {
				t.Fatal(err)
			}
		}
	}
	requests()
	m.untilRequests(web, before+each)
	m.untilRequests(live, before+each)

	n.call(200, http.MethodPost, "/backends/live", `{"version":"1.1.0"}`)
	m.until(func() error {
		if o := m.object("backends", "backend/live"); o["version"] != "1.1.0" {
			return fmt.Errorf("the backend is %v", o)
		}
		return nil
	})
	n.call(200, http.MethodPut, "/frontends/other", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, testkit.Port(t))) // reloads
	m.until(func() error {
		if m.object("stat", "stat/frontend/other") == nil {
			return fmt.Errorf("the new frontend is not there; status %v", m.object("status", "status"))
		}
		return nil
	})
	requests()
	m.untilRequests(web, before+2*each)
	m.untilRequests(live, before+2*each)
	m.until(func() error {
		if o := m.object("status", "status"); o["revision"] != 4.0 || o["inEffect"] != 4.0 || m.object("activity", "1")["verb"] != "started" {
			return fmt.Errorf("the status is %v", o)
		}
		return nil
	})
}
