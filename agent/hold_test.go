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
	"thalassa/api/node"
	"thalassa/lb"
)

// holder lets a test see what the agent reports to discovery.
type holder struct {
	fx   *fixture
	down chan []lb.HostPort
}

func (h holder) Down(addresses []lb.HostPort) {
	select {
	case h.down <- addresses:
	default:
	}
}

// Accept lets go, as discovery does.
func (h holder) Accept(service lb.Name) {
	h.fx.change(service, func(s lb.Service) lb.Service {
		s.Hold, s.Released, s.Instances = nil, lb.Accepted, nil
		return s
	})
}

// change makes another value of a service known.
func (fx *fixture) change(name lb.Name, to func(lb.Service) lb.Service) {
	fx.mu.Lock()
	services := maps.Clone(fx.snapshot.Services)
	services[name] = to(services[name])
	fx.snapshot = lb.Snapshot{Services: services}
	fx.mu.Unlock()
	fx.poke()
}

// hold makes a service hold all it has.
func (fx *fixture) hold(name lb.Name) {
	fx.change(name, func(s lb.Service) lb.Service {
		s.Hold = &lb.Hold{Since: time.Now(), Lost: len(s.Instances), Reason: "all gone", Doubt: lb.DoubtBlind}
		return s
	})
}

func (fx *fixture) eventsOf(verb activity.Verb) []activity.Event {
	fx.mu.Lock()
	defer fx.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(fx.events), func(e activity.Event) bool { return e.Verb != verb })
}

func TestHoldsAreRecordedAndAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.holder = holder{fx: fx, down: make(chan []lb.HostPort, 1)}
		fx.ready("1.0.0 8080", "1.0.0 8081")
		by := lb.Origin{Author: "ann", Cause: "POST /services/shop/accept"}
		var conflict *lb.ConflictError
		if err := fx.agent.Accept(t.Context(), "shop", by); !errors.As(err, &conflict) {
			t.Errorf("accepting what is not held: %v", err)
		}
		var notFound *lb.NotFoundError
		if err := fx.agent.Accept(t.Context(), "none", by); !errors.As(err, &notFound) {
			t.Errorf("accepting for an unknown service: %v", err)
		}
		b, err := node.ParseBackend("c", []byte(`{"type":"dynamic","name":"silent","version":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b}); err != nil {
			t.Fatal(err)
		}
		if err := fx.agent.Accept(t.Context(), "silent", by); !errors.As(err, &conflict) {
			t.Errorf("accepting for a service that Consul has not answered about: %v", err)
		}
		select {
		case down := <-fx.holder.down:
			t.Errorf("told of %v though nothing is held", down)
		default:
		}

		fx.hold("shop")
		time.Sleep(time.Second)
		if e := fx.eventsOf(activity.MembersHeld); len(e) != 1 || e[0].Object.ID != "service/shop" || !strings.HasPrefix(e[0].Reasons[0], "all gone: nothing shows") {
			t.Errorf("held: %+v", e)
		}
		fx.mu.Lock()
		for i := range fx.servers {
			fx.servers[i].Up = fx.servers[i].Address.Port == 8081
		}
		fx.mu.Unlock()
		for len(fx.holder.down) > 0 {
			<-fx.holder.down
		}
		if got := fmt.Sprint(<-fx.holder.down); got != "[127.0.0.1:8080]" {
			t.Errorf("told of %s, want the server that is down", got)
		}

		if err := fx.agent.Accept(t.Context(), "shop", by); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		e := fx.eventsOf(activity.MembersReleased)
		if len(e) != 1 || e[0].Author != "ann" || e[0].Cause != by.Cause || !slices.Equal(e[0].Reasons, []string{lb.Accepted}) {
			t.Errorf("released: %+v", e)
		}

		fx.consul("shop", 2, "", "1.0.0 8080")
		fx.hold("shop")
		time.Sleep(time.Second)
		fx.change("shop", func(s lb.Service) lb.Service {
			s.Hold, s.Released = nil, "the instances are back"
			return s
		})
		time.Sleep(time.Second)
		if e := fx.eventsOf(activity.MembersReleased); len(e) != 2 || !slices.Equal(e[1].Reasons, []string{"the instances are back"}) {
			t.Errorf("released: %+v", e)
		}
	})
}

// A deploy goes to what Consul lists; to what is held alone only when forced.
func TestDeployToHeldInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 8080", "1.1.0 8081")
		fx.change("shop", func(s lb.Service) lb.Service {
			s.Instances = slices.Clone(s.Instances)
			s.Instances[1].Held = true
			s.Hold = &lb.Hold{Since: time.Now(), Lost: 1, Reason: "1 of 1 instances disappeared at once"}
			return s
		})
		_, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		const want = "version 1.1.0 of service shop has no healthy instance that Consul still lists (1 of 1 instances disappeared at once)"
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.Reason != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0", Force: true}); err != nil {
			t.Error(err)
		}
	})
}
