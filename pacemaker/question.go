package pacemaker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

// The agents of nodes are asked, and they answer, with these transient node attributes: a
// rollout asks for their configuration, and a plan for what it needs on them.
const (
	askAttribute    = "thalassa-validate"
	answerAttribute = "thalassa-validated"

	askPlanAttribute    = "thalassa-plan"
	answerPlanAttribute = "thalassa-planned"
)

const (
	// maxReason limits the answer of an agent in bytes.
	maxReason = 400
	// maxQuestion limits what is asked in bytes.
	maxQuestion = 8 << 10
)

// A question is asked of the agents of nodes.
type question struct {
	ask, answer string // attributes
	// text is what is asked, without line breaks; may be empty.
	text   string
	nodes  []string
	within time.Duration
}

// askNodes asks the agents of nodes, and waits for their answers. Answers that come
// count, whatever happens to others.
func (c *Cluster) askNodes(ctx context.Context, q question) ([]cluster.NodeAnswer, error) {
	answers := make([]cluster.NodeAnswer, len(q.nodes))
	for i, name := range q.nodes {
		answers[i] = cluster.NodeAnswer{Node: name, Silent: true, Reason: "its agent did not answer within " + q.within.String() + "; check that thalassa runs there"}
	}
	request := rand.Text()[:12]
	failed := c.setAttributes(ctx, q.nodes, q.ask, strings.TrimSpace(request+" "+q.text))
	if len(q.nodes) > 0 && len(failed) == len(q.nodes) {
		return answers, failed[q.nodes[0]]
	}
	for i, name := range q.nodes {
		if err := failed[name]; err != nil {
			answers[i].Reason = "it could not be asked: " + err.Error()
		}
	}
	limited, cancel := context.WithTimeout(ctx, q.within)
	defer cancel()
	for {
		asked := time.Now()
		cib, err := c.Query(limited)
		if ctx.Err() != nil {
			return answers, ctx.Err()
		}
		if err == nil {
			q.read(cib, request, answers)
		}
		open := slices.ContainsFunc(answers, func(a cluster.NodeAnswer) bool { return a.Silent && failed[a.Node] == nil })
		if !open || limited.Err() != nil {
			return answers, nil
		}
		_ = wake.Pause(limited, pauseAfter(time.Since(asked))) // its end is checked above
	}
}

// read notes the answers to a request that have come.
func (q question) read(cib *CIB, request string, answers []cluster.NodeAnswer) {
	attributes := cib.attributes()
	for i, a := range answers {
		if answer, ok := strings.CutPrefix(attributes[a.Node][q.answer], request+" "); ok {
			answers[i] = cluster.NodeAnswer{Node: a.Node, Valid: answer == "ok", Reason: strings.TrimPrefix(answer, "ok")}
		}
	}
}

// forget removes a question and its answers. A leftover is harmless.
func (t *tools) forget(ctx context.Context, q question) {
	_ = t.setAttributes(ctx, q.nodes, q.ask, "")
	_ = t.setAttributes(ctx, q.nodes, q.answer, "")
}

// setAttributes sets a transient attribute of several nodes at the same time. It returns
// the nodes on which that failed.
func (t *tools) setAttributes(ctx context.Context, nodes []string, name, value string) map[string]error {
	var mu sync.Mutex
	failed := map[string]error{}
	var g errgroup.Group
	for _, n := range nodes {
		g.Go(func() error {
			if err := t.setAttribute(ctx, n, name, value); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed[n] = err
			}
			return nil
		})
	}
	_ = g.Wait() // never fails
	return failed
}

// setAttribute sets a transient attribute of a node; an empty value removes it.
func (t *tools) setAttribute(ctx context.Context, node, name, value string) error {
	args := []string{"-n", name, "-N", node, "-U", value}
	if value == "" {
		args = []string{"-n", name, "-N", node, "-D"}
	}
	if _, err := t.run(ctx, call{tool: "attrd_updater", args: args, plain: true}); err != nil {
		return fmt.Errorf("setting the attribute %s of %s: %w", name, node, err)
	}
	return nil
}

// Checks are what an agent answers.
type Checks struct {
	// Rollout validates the configuration on this node's disk with HAProxy.
	Rollout func(context.Context) error
	// Needs checks whether this node has what a plan needs. Its error says what is wrong.
	Needs func(context.Context, Needs) error
}

// Answer answers the rollouts and plans that ask this node until ctx ends, which is not an
// error.
func (w *Watcher) Answer(ctx context.Context, checks Checks) error {
	var g errgroup.Group
	g.Go(func() error {
		return w.answer(ctx, askAttribute, answerAttribute, func(ctx context.Context, _ string) error { return checks.Rollout(ctx) })
	})
	g.Go(func() error {
		return w.answer(ctx, askPlanAttribute, answerPlanAttribute, func(ctx context.Context, text string) error {
			var n Needs
			if len(text) > maxQuestion || json.Unmarshal([]byte(text), &n) != nil {
				return errors.New("this version of thalassa does not understand the question")
			}
			return checks.Needs(ctx, n)
		})
	})
	return g.Wait()
}

// answer answers one kind of question. check gets what is asked.
func (w *Watcher) answer(ctx context.Context, ask, reply string, check func(context.Context, string) error) error {
	answered := ""
	for {
		next := w.Changed()
		v := w.View()
		request, text, _ := strings.Cut(w.asked(v.Self, ask), " ")
		if request != "" && request != answered && v.State != cluster.StateOffline {
			answer := "ok"
			if err := check(ctx, text); err != nil {
				answer = oneLine(err.Error())
			}
			if err := w.cluster.setAttribute(ctx, v.Self, reply, request+" "+answer); err != nil {
				w.cluster.cfg.Logger.WarnContext(ctx, "answering failed", "question", ask, "error", err)
			} else {
				answered = request
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
	}
}

// asked returns what this node is asked; empty: nothing. The view masks what may be a
// secret, and a question may have one.
func (w *Watcher) asked(self, ask string) string {
	cib, _ := w.CIB() // nil: nothing is known yet
	if cib == nil {
		return ""
	}
	return cib.attributes()[self][ask]
}

// oneLine converts a reason to the value of an attribute. It is ASCII: without a locale
// Pacemaker's tools refuse any other character.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "…", "...")), " ")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxReason {
		s = s[:maxReason] + "..."
	}
	return s
}
