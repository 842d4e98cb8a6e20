package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/client"
	"thalassa/lb"
)

// drainingAgent is an agent whose former members drain: what it answers at each look.
type drainingAgent struct {
	answers []func() ([]client.DrainingMember, error)
	looks   int
}

func (p *drainingAgent) Leaving(context.Context, string) ([]client.DrainingMember, error) {
	answer := p.answers[min(p.looks, len(p.answers)-1)]
	p.looks++
	return answer()
}

// leaves is a member of version 1, or of an unknown one, or of 2.
func leaves(port, connections int, replaced bool) client.DrainingMember {
	version := []string{"1", "", "2"}[port-1]
	return client.DrainingMember{Member: client.Member{Host: "10.0.0.1", Port: port, Version: version}, Connections: connections, Replaced: replaced}
}

func list(leavers ...client.DrainingMember) func() ([]client.DrainingMember, error) {
	return func() ([]client.DrainingMember, error) { return leavers, nil }
}

func silence(status int) func() ([]client.DrainingMember, error) {
	return func() ([]client.DrainingMember, error) {
		return nil, &client.Error{Status: status, Code: "x", Message: "trouble"}
	}
}

// drain waits a minute for the members of all versions but 2 and returns what was reported.
func (p *drainingAgent) drain(ctx context.Context) (client.Drained, []string, error) {
	var said []string
	state, err := client.Drain{
		Backend: "live", Within: time.Minute,
		Deployed: []lb.Version{"2"},
		Report:   func(d client.Drained) error { said = append(said, d.String()); return nil },
	}.Run(ctx, p)
	return state, said, err
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &drainingAgent{answers: []func() ([]client.DrainingMember, error){
			list(leaves(1, 2, false), leaves(2, 0, true), leaves(3, 9, false)), // 3 is of the version deployed
			list(leaves(1, 2, false), leaves(2, 0, true)),
			silence(http.StatusServiceUnavailable),
			list(leaves(1, 1, false)),
			list(leaves(3, 9, false)),
		}}
		state, said, err := p.drain(t.Context())
		want := []string{
			"backend/live has connections to former members: 10.0.0.1:1 has 2, 10.0.0.1:2 may get requests of a replaced worker's clients",
			"backend/live has connections to former members: 10.0.0.1:1 has 1",
		}
		if err != nil || !state.Done || len(state.Left) != 0 || state.DurationMS != 2000 || !slices.Equal(said, want) {
			t.Errorf("got %+v, %v, said %q", state, err, said)
		}
		if got := state.String(); got != "backend/live has no connections to former members left after 2.0 s" {
			t.Errorf("in words: %s", got)
		}
	})
}

func TestDrainThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &drainingAgent{answers: []func() ([]client.DrainingMember, error){list(leaves(1, 2, true))}}
		state, said, err := p.drain(t.Context())
		undrained := &client.UndrainedError{}
		if !errors.As(err, &undrained) || undrained.Left[0].Connections != 2 || state.Done || len(said) != 1 || time.Since(begin) != time.Minute {
			t.Errorf("got %+v, %v after %s", state, err, time.Since(begin))
		}
		if want := "after 1m0s: backend/live has connections to former members: 10.0.0.1:1 has 2"; err == nil || err.Error() != want {
			t.Errorf("got %v", err)
		}
	})
}

// hung is an agent that never answers once it has.
type hung struct{ drainingAgent }

func (h *hung) Leaving(ctx context.Context, key string) ([]client.DrainingMember, error) {
	if h.looks == 0 {
		return h.drainingAgent.Leaving(ctx, key)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// An agent that takes long to answer does not stretch the time.
func TestDrainEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		agent := &hung{drainingAgent{answers: []func() ([]client.DrainingMember, error){list(leaves(1, 2, false))}}}
		state, err := client.Drain{Backend: "live", Within: time.Minute}.Run(t.Context(), agent)
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("it took %s", took)
		}
		if want := "after 1m0s: backend/live has connections to former members: 10.0.0.1:1 has 2"; err == nil || err.Error() != want {
			t.Errorf("got %+v, %v", state, err)
		}
	})
}

func TestDrainWithoutAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &drainingAgent{answers: []func() ([]client.DrainingMember, error){silence(http.StatusBadGateway)}}
		if state, _, err := p.drain(t.Context()); err == nil || state.Done || time.Since(begin) != time.Minute {
			t.Errorf("got %+v, %v after %s", state, err, time.Since(begin))
		}
		p = &drainingAgent{answers: []func() ([]client.DrainingMember, error){silence(http.StatusNotFound)}}
		if _, _, err := p.drain(t.Context()); err == nil || p.looks != 1 {
			t.Errorf("a backend that is gone: %v after %d looks", err, p.looks)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		p = &drainingAgent{answers: []func() ([]client.DrainingMember, error){list(leaves(1, 1, false))}}
		if _, _, err := p.drain(ctx); err == nil || !strings.HasPrefix(err.Error(), "interrupted: ") {
			t.Errorf("interrupted: %v", err)
		}
	})
}
