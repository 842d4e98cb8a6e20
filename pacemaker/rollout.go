package pacemaker

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A rollout asks the agents of all nodes, and they answer, with these transient node
// attributes.
const (
	askAttribute    = "thalassa-validate"
	answerAttribute = "thalassa-validated"
)

// maxReason limits the answer of an agent in bytes.
const maxReason = 400

// A Rollout makes HAProxy load the configuration on disk, on all nodes.
type Rollout struct {
	Resource string        // haproxy
	Validate time.Duration // time limit for the answers of the agents (15 s)
	Wait     time.Duration // time limit for the cluster to settle (2 min)
	// Restart allows restarts of HAProxy on nodes where Pacemaker cannot reload it.
	Restart bool
}

// A NodeAnswer is the answer of a node's agent about its configuration.
type NodeAnswer struct {
	Node   string `json:"node"`
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitempty"`
}

// RolledOut is the result of a rollout.
type RolledOut struct {
	Nodes []NodeAnswer `json:"nodes"`
	From  string       `json:"from"` // generation
	To    string       `json:"to"`   // equals From if nothing was changed, or the change was reverted
	// Reloaded are the nodes where HAProxy has reloaded, the last of them ReloadMs
	// after the generation was increased.
	Reloaded []string `json:"reloaded"`
	ReloadMs int64    `json:"reloadMs"`
	// SettleMs is the time until the cluster had settled and all monitors had run.
	SettleMs int64          `json:"settleMs"`
	Cluster  cluster.Status `json:"cluster"`
}

// Rollout asks the agent of every running node to validate its configuration. Then it
// increases the resource's parameter "generation", and Pacemaker reloads HAProxy
// wherever it runs. It changes nothing if a node refuses (*lb.RefusedError), or if
// Pacemaker would restart HAProxy instead (*lb.ConflictError). If a reload fails, it
// restores the previous generation, and the error is an *lb.ConflictError.
func (c *Cluster) Rollout(ctx context.Context, r Rollout) (RolledOut, error) {
	if err := c.checkLive("rollout"); err != nil {
		return RolledOut{}, err
	}
	r = r.withDefaults()
	cib, err := c.Query(ctx)
	if err != nil {
		return RolledOut{}, err
	}
	before, err := c.View(ctx, cib)
	if err != nil {
		return RolledOut{}, err
	}
	out := RolledOut{Cluster: before, Nodes: []NodeAnswer{}, Reloaded: []string{}}
	if out.From, err = cib.generation(r.Resource); err != nil {
		return out, err
	}
	out.To = out.From
	number, _ := strconv.Atoi(out.From) // generation returns only numbers
	next := strconv.Itoa(number + 1)
	where, err := c.predictReload(ctx, cib, r, next)
	if err != nil {
		return out, err
	}
	asked := askable(before)
	defer c.removeAnswers(context.WithoutCancel(ctx), asked) // last, because it costs the nodes time during the reload
	if out.Nodes, err = c.validate(ctx, asked, r.Validate); err != nil {
		return out, err
	}
	if err := refusal(out.Nodes); err != nil {
		return out, err
	}
	after, err := c.reload(ctx, r, next, where, &out)
	bad := failedSince(before, after, r.Resource)
	if err == nil && len(bad) == 0 {
		out.Cluster, out.To = after, next
		return out, nil
	}
	return out, c.revert(ctx, r, where, &out, bad, err)
}

func (r Rollout) withDefaults() Rollout {
	if r.Resource == "" {
		r.Resource = "haproxy"
	}
	if r.Validate <= 0 {
		r.Validate = 15 * time.Second
	}
	if r.Wait <= 0 {
		r.Wait = settleWithin
	}
	return r
}

// revert restores the previous generation, and returns the error of the rollout.
func (c *Cluster) revert(ctx context.Context, r Rollout, where []string, out *RolledOut, bad []string, err error) error {
	var second RolledOut
	back, undo := c.reload(context.WithoutCancel(ctx), r, out.From, where, &second)
	if back.Nodes != nil {
		out.Cluster = back
	}
	reason := strings.Join(bad, "; ")
	if err != nil {
		reason = strings.TrimPrefix(reason+"; "+err.Error(), "; ")
	}
	if undo != nil {
		return fmt.Errorf("reverting to generation %s after %s: %w", out.From, reason, undo)
	}
	return &lb.ConflictError{ID: "resource/" + r.Resource, Reason: "the reload failed, reverted to generation " + out.From + ": " + reason}
}

// generation returns the parameter "generation" of a resource.
func (c *CIB) generation(resource string) (string, error) {
	for _, p := range c.primitives() {
		if p.attr("id") != resource {
			continue
		}
		g := p.nvpair("instance_attributes", "generation")
		if g == "" {
			g = "0"
		}
		if _, err := strconv.Atoi(g); err != nil {
			return "", &lb.ConflictError{ID: "resource/" + resource, Reason: "its generation is " + strconv.Quote(g) + ", not a number"}
		}
		return g, nil
	}
	return "", &lb.NotFoundError{ID: "resource/" + resource}
}

// failedSince returns the new failures of a resource.
func failedSince(before, after cluster.Status, resource string) []string {
	var out []string
	for _, f := range after.Failures {
		old := slices.ContainsFunc(before.Failures, func(o cluster.Failure) bool {
			return o.Node == f.Node && o.Resource == f.Resource && o.Operation == f.Operation && o.Call == f.Call
		})
		if f.Resource == resource && !old {
			out = append(out, fmt.Sprintf("%s on %s: %s", f.Operation, f.Node, failureReason(f)))
		}
	}
	return out
}

// refusal returns an error if a node has refused.
func refusal(answers []NodeAnswer) error {
	var lines []string
	for _, a := range answers {
		if !a.Valid {
			lines = append(lines, a.Node+": "+a.Reason)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return &lb.RefusedError{Stage: "check", Output: "nothing has changed\n" + strings.Join(lines, "\n")}
}

// askable returns the running nodes.
func askable(v cluster.Status) []string {
	var nodes []string
	for _, n := range v.Nodes {
		if n.State == "offline" || n.State == "unclean" || n.State == "pending" {
			continue
		}
		nodes = append(nodes, n.Name)
	}
	return nodes
}

// removeAnswers removes the request and the answers. A leftover is harmless.
func (c *Cluster) removeAnswers(ctx context.Context, nodes []string) {
	_ = c.setAttributes(ctx, nodes, askAttribute, "")
	_ = c.setAttributes(ctx, nodes, answerAttribute, "")
}

// validate asks the agents of these nodes, and waits for their answers.
func (c *Cluster) validate(ctx context.Context, open []string, within time.Duration) ([]NodeAnswer, error) {
	request := rand.Text()[:12]
	if err := c.setAttributes(ctx, open, askAttribute, request); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answers := make([]NodeAnswer, len(open))
	for {
		cib, err := c.Query(limited)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		missing := 0
		for i, name := range open {
			answers[i] = NodeAnswer{Node: name, Reason: "its agent did not answer within " + within.String() + "; check that thalassa runs there"}
			if err != nil {
				missing++
				continue
			}
			if answer, ok := strings.CutPrefix(cib.attributes()[name][answerAttribute], request+" "); ok {
				answers[i] = NodeAnswer{Node: name, Valid: answer == "ok", Reason: strings.TrimPrefix(answer, "ok")}
			} else {
				missing++
			}
		}
		if missing == 0 || limited.Err() != nil {
			return answers, nil
		}
		_ = wake.Pause(limited, settleEvery) // its end is checked above
	}
}

// setAttributes sets a transient attribute of several nodes at the same time.
func (t *tools) setAttributes(ctx context.Context, nodes []string, name, value string) error {
	var g errgroup.Group
	for _, n := range nodes {
		g.Go(func() error { return t.setAttribute(ctx, n, name, value) })
	}
	return g.Wait()
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

// Answer answers the rollouts that ask this node until ctx ends, which is not an
// error. check validates the configuration on this node's disk with HAProxy.
func (w *Watcher) Answer(ctx context.Context, check func(context.Context) error) error {
	answered := ""
	for {
		next := w.Changed()
		v := w.View()
		if request := asked(v); request != "" && request != answered && v.State != cluster.StateOffline {
			answer := "ok"
			if err := check(ctx); err != nil {
				answer = oneLine(err.Error())
			}
			if err := w.cluster.setAttribute(ctx, v.Self, answerAttribute, request+" "+answer); err != nil {
				w.cluster.cfg.Logger.WarnContext(ctx, "answering a rollout failed", "error", err)
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

// asked returns the rollout that asks this node; empty: none.
func asked(v cluster.Status) string {
	for _, n := range v.Nodes {
		if n.Name == v.Self {
			return n.Attributes[askAttribute]
		}
	}
	return ""
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
