package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/lb"
	"thalassa/stage"
)

const jsonType = "Content-Type: application/json"

// A slowChanger tells when a changeset has arrived, and waits before it carries it out.
type slowChanger struct {
	api.Changer

	arrived chan struct{}
	proceed chan struct{}
}

func (s slowChanger) Apply(ctx context.Context, set stage.Changeset) (lb.Applied, error) {
	s.arrived <- struct{}{}
	<-s.proceed
	return s.Changer.Apply(ctx, set)
}

// What is put into a draft while it is committed is in the revision, or in the draft of that name
// afterwards, or refused: it is never lost.
func TestAnEditDuringACommitIsNotLost(t *testing.T) {
	for name, c := range map[string]struct{ path, commit, body string }{
		"a draft":     {"/backends/later?draft=week", "/drafts/week/commit", `{"type":"static"}`},
		"the dialect": {"/v1/pools/later", "/v1/controller/commit", `{"enabled":true,"targets":{"NAME":"10.0.0.9:80"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			slow := slowChanger{arrived: make(chan struct{}, 9), proceed: make(chan struct{})}
			s := filledFixture(t, func(cfg *api.Config) {
				slow.Changer = cfg.Changes
				cfg.Changes = slow
			})
			s.do("POST", "/drafts", `{"id":"week"}`).wants(t, 201, nil)
			s.do("PUT", strings.Replace(c.path, "later", "first", 1), strings.Replace(c.body, "NAME", "zero", 1), jsonType).wants(t, 200, nil)

			committed := make(chan int, 1)
			go func() { committed <- s.do("POST", c.commit, "").status }()
			<-slow.arrived
			put := make(chan int, 1)
			go func() { put <- s.do("PUT", c.path, c.body, jsonType).status }()
			early := 0
			select {
			case early = <-put:
			case <-time.After(300 * time.Millisecond): // it waits for the commit
			}
			slow.proceed <- struct{}{}
			if status := <-committed; status != 200 {
				t.Fatalf("commit: %d", status)
			}
			if early == 0 {
				early = <-put
			}
			path, _, _ := strings.Cut(c.path, "?")
			isThere := s.get(path).status == 200 || s.get(c.path).status == 200
			if (early == 200) != isThere {
				t.Errorf("the edit was answered with %d, and what it put is there: %t", early, isThere)
			}
		})
	}
}
