package agent_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// holder lets a test see what the agent tells discovery.
type holder struct {
	w     *world
	tells chan []lb.HostPort
}

func (h holder) Down(addresses []lb.HostPort) {
	select {
	case h.tells <- addresses:
	default:
	}
}

// Accept lets go, as discovery does.
func (h holder) Accept(service lb.Name) {
	h.w.change(service, func(s lb.Service) lb.Service {
		s.Hold, s.Released, s.Instances = nil, lb.Accepted, nil
		return s
	})
}

// change makes another value of a service known.
func (w *world) change(name lb.Name, to func(lb.Service) lb.Service) {
	w.mu.Lock()
	services := maps.Clone(w.snapshot.Services)
	services[name] = to(services[name])
	w.snapshot = lb.Snapshot{Services: services}
	w.mu.Unlock()
	w.poke()
}

// hold makes a service hold all it has.
func (w *world) hold(name lb.Name) {
	w.change(name, func(s lb.Service) lb.Service {
		s.Hold = &lb.Hold{Since: time.Now(), Lost: len(s.Instances), Reason: "all gone", Doubt: lb.DoubtBlind}
		return s
	})
}

func (w *world) told(verb activity.Verb) []activity.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.events), func(e activity.Event) bool { return e.Verb != verb })
}

func TestHoldsAreToldAndAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.holder = holder{w: w, tells: make(chan []lb.HostPort, 1)}
		w.ready("1.0.0 8080", "1.0.0 8081")
		by := lb.Stamp{Author: "ann", Cause: "POST /services/shop/accept"}
		var conflict *lb.ConflictError
		if err := w.agent.Accept(t.Context(), "shop", by); !errors.As(err, &conflict) {
			t.Errorf("accepting what is not held: %v", err)
		}
		var notFound *lb.NotFoundError
		if err := w.agent.Accept(t.Context(), "none", by); !errors.As(err, &notFound) {
			t.Errorf("accepting for an unknown service: %v", err)
		}
		b, err := lb.ParseBackend("c", []byte(`{"type":"dynamic","name":"silent","version":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
			t.Fatal(err)
		}
		if err := w.agent.Accept(t.Context(), "silent", by); !errors.As(err, &conflict) {
			t.Errorf("accepting for a service that Consul has not answered about: %v", err)
		}
		select {
		case tell := <-w.holder.tells:
			t.Errorf("told of %v though nothing is held", tell)
		default:
		}

		w.hold("shop")
		time.Sleep(time.Second)
		if e := w.told(activity.MembersHeld); len(e) != 1 || e[0].Object.ID != "service/shop" || !strings.HasPrefix(e[0].Reasons[0], "all gone: nothing shows") {
			t.Errorf("held: %+v", e)
		}
		w.mu.Lock()
		for i := range w.servers {
			w.servers[i].Up = w.servers[i].Address.Port == 8081
		}
		w.mu.Unlock()
		for len(w.holder.tells) > 0 {
			<-w.holder.tells
		}
		if got := fmt.Sprint(<-w.holder.tells); got != "[127.0.0.1:8080]" {
			t.Errorf("told of %s, want the server that is down", got)
		}

		if err := w.agent.Accept(t.Context(), "shop", by); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		e := w.told(activity.MembersReleased)
		if len(e) != 1 || e[0].Author != "ann" || e[0].Cause != by.Cause || !slices.Equal(e[0].Reasons, []string{lb.Accepted}) {
			t.Errorf("released: %+v", e)
		}

		w.consul("shop", 2, "", "1.0.0 8080")
		w.hold("shop")
		time.Sleep(time.Second)
		w.change("shop", func(s lb.Service) lb.Service {
			s.Hold, s.Released = nil, "the instances are back"
			return s
		})
		time.Sleep(time.Second)
		if e := w.told(activity.MembersReleased); len(e) != 2 || !slices.Equal(e[1].Reasons, []string{"the instances are back"}) {
			t.Errorf("released: %+v", e)
		}
	})
}

// A deploy goes to what Consul lists; to what is held alone only when it is told to.
func TestDeployToWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 8080", "1.1.0 8081")
		w.change("shop", func(s lb.Service) lb.Service {
			s.Instances = slices.Clone(s.Instances)
			s.Instances[1].Held = true
			s.Hold = &lb.Hold{Since: time.Now(), Lost: 1, Reason: "1 of 1 instances disappeared at once"}
			return s
		})
		_, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		const want = "version 1.1.0 of service shop has no healthy instance that Consul still lists (1 of 1 instances disappeared at once)"
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.Reason != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := w.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0", Force: true}); err != nil {
			t.Error(err)
		}
	})
}
