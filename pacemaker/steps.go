package pacemaker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// Steps carries out changes of a cluster one write at a time. A write can leave a mark in
// the CIB, in the same change of it: whoever continues for somebody else sees from the mark
// that the write was made, and does not repeat it. Methods may be called concurrently.
type Steps struct{ cluster *Cluster }

// NewSteps returns the Steps of a cluster.
func NewSteps(c *Cluster) Steps { return Steps{c} }

// As returns Steps that write in the name of a user of the system, whose ACLs of Pacemaker
// then hold. Pacemaker only lets root and hacluster do so; for others it is ignored.
func (s Steps) As(user string) Steps {
	if user == "" {
		return s
	}
	cfg := s.cluster.cfg
	cfg.user = user
	return Steps{&Cluster{tools{cfg}}}
}

// A Stage is one write of an action.
type Stage struct {
	Action cluster.Action
	Number int // from 0
	// Mark is that of this stage; empty: it leaves none.
	Mark string
	// Was is Step.Was of the first stage.
	Was string
	// Foretell asks the scheduler what the action would do. Actions on HAProxy always do.
	Foretell bool

	// Nodes are those of the first step of an action on HAProxy, and First is that step, if this
	// agent has made it. Undo takes back what the stages before have changed.
	Nodes []string
	First *Step
	Undo  bool
}

// Stages is the number of writes of an action: what Move and Restart begin with a first one,
// they end with a second one.
func Stages(a cluster.Action) int {
	if a.Kind == cluster.Move || a.Kind == cluster.Restart {
		return 2
	}
	return 1
}

// endOf says what the last stage of an action does.
func endOf(a cluster.Action) string {
	if a.Kind == cluster.Move {
		return "removing the constraint of the move"
	}
	return "starting the resource again"
}

// A Step is a write that has not been made yet. It is bound to the CIB from which it was
// computed.
type Step struct {
	Epoch cluster.Epoch // of that CIB
	// Commands are what it does, for people, without secrets.
	Commands []string
	// Before is the status of that CIB.
	Before cluster.Status
	// Predicted is what the scheduler has foretold, if it was asked.
	Predicted cluster.Consequences
	// Done: the CIB has the mark of the step, so somebody has made it already.
	Done bool
	// Nothing: there is nothing to write.
	Nothing bool
	// Was is the target-role that the end of a Restart restores; empty: none.
	Was string
	// Starts are the numbers of the last starts, see Starts.
	Starts map[string]string

	haproxyStep

	from, to *CIB // to is nil if the configuration does not change
	live     []call
}

// Plan computes a stage of an action. It changes nothing. Errors: *lb.InvalidError,
// *lb.NotFoundError, *lb.ConflictError, *cluster.Error.
func (s Steps) Plan(ctx context.Context, g Stage) (Step, error) {
	c := s.cluster
	if err := c.checkLive(g.Action); err != nil {
		return Step{}, err
	}
	cib, err := c.Query(ctx)
	if err != nil {
		return Step{}, err
	}
	st := Step{Epoch: cib.Epoch, from: cib, Was: g.Was, Starts: starts(cib), Done: hasMark(cib, g.Mark)}
	if st.Before, err = c.View(ctx, cib); err != nil || st.Done {
		return st, err
	}
	if g.Action.IsOfHAProxy() {
		return s.planHAProxy(ctx, g, st)
	}
	if g.Number > 0 {
		return s.planEnd(ctx, g, st)
	}
	if err := checkAction(cib, st.Before, g.Action); err != nil {
		return st, err
	}
	if g.Action.Kind == cluster.Move {
		if len(movable(st.Before, g.Action.Resource)) == 0 {
			return st, &lb.NotFoundError{ID: "resource that is a floating IP"}
		}
		var stays bool
		if stays, st.Predicted, err = c.stays(ctx, cib, st.Before, g.Action); stays || err != nil {
			st.Nothing = stays
			return st, err
		}
	}
	if g.Foretell {
		if st.Predicted, err = c.predictAction(ctx, cib, st.Before, g.Action); err != nil {
			return st, err
		}
	}
	st.Was = targetRole(cib, g.Action.Resource)
	return s.fill(ctx, st, steps(cib, st.Before, g.Action))
}

// planEnd computes the last stage of a Move or Restart.
func (s Steps) planEnd(ctx context.Context, g Stage, st Step) (Step, error) {
	var calls []call
	if a := g.Action; a.Kind == cluster.Move {
		calls = clearMoves(st.Before, a)
	} else if targetRole(st.from, a.Resource) == "Stopped" {
		calls = append(calls, meta(a.Resource, "target-role", g.Was))
	}
	return s.fill(ctx, st, calls)
}

// fill makes the CIB after calls. Those that are not about the configuration are kept.
func (s Steps) fill(ctx context.Context, st Step, calls []call) (Step, error) {
	var config []call
	for _, q := range calls {
		st.Commands = append(st.Commands, strings.Join(append([]string{q.tool}, q.args...), " "))
		if q.live {
			st.live = append(st.live, q)
		} else {
			config = append(config, q)
		}
	}
	if len(config) > 0 {
		after, err := s.cluster.onFile(ctx, st.from, config)
		if err != nil {
			return st, err
		}
		if after = withConfigurationOf(st.from, after); after != st.from {
			st.to = after
		}
	}
	st.Nothing = st.to == nil && len(st.live) == 0
	return st, nil
}

// PlanEdits computes edits of the configuration. It changes nothing. Errors: those of
// config.Apply, and *cluster.Error.
func (s Steps) PlanEdits(ctx context.Context, edits []config.Edit, mark string) (Step, config.Outcome, error) {
	from, to, out, err := s.cluster.planEdits(ctx, edits)
	st := Step{Epoch: out.Epoch, Predicted: out.Predicted, from: from, to: to, Nothing: to == nil}
	if from != nil && mark != "" && hasMark(from, mark) {
		st.Done, err = true, nil
	}
	if err != nil {
		return st, out, err
	}
	st.Starts = starts(from)
	for _, e := range edits {
		st.Commands = append(st.Commands, e.Summary())
	}
	st.Before, err = s.cluster.View(ctx, from)
	return st, out, err
}

// Write makes a step, with its mark if that is not empty. If somebody else has changed the
// configuration since it was computed, nothing is done, and the error is of kind KindStale.
func (s Steps) Write(ctx context.Context, st Step, mark string) error {
	to := st.to
	if mark != "" && !st.Nothing {
		next, err := withMark(cmp.Or(st.to, st.from), st.from, mark)
		if err != nil {
			return err
		}
		to = next
	}
	if to != nil {
		if err := s.cluster.patch(ctx, st.from, to); err != nil {
			if marked, failed := s.IsMarked(ctx, mark); IsStale(err) || failed != nil || !marked {
				return err
			}
		}
	}
	for _, q := range st.live {
		if _, err := s.cluster.run(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// Settle waits until the cluster has settled after a stage of an action, and checks that the
// state is what the action is for. In a CIB that no cluster runs, nothing settles. Errors:
// *lb.ConflictError, and those of Settled.
func (s Steps) Settle(ctx context.Context, a cluster.Action, number int) (cluster.Status, error) {
	v, err := s.Settled(ctx, a.Wait)
	if err != nil {
		return v, err
	}
	if !s.cluster.isLive() && !slices.Contains([]string{cluster.StartMaintenance, cluster.EndMaintenance}, a.Kind) {
		return v, nil
	}
	if number+1 < Stages(a) {
		if a.Kind == cluster.Move {
			return v, checkReachable(v, a, movable(v, a.Resource))
		}
		return v, nil
	}
	return v, checkResult(v, a)
}

// Settled is Cluster.Settled for a running cluster, and the status of any other CIB.
func (s Steps) Settled(ctx context.Context, wait time.Duration) (cluster.Status, error) {
	if !s.cluster.isLive() {
		return s.cluster.Now(ctx)
	}
	return s.cluster.Settled(ctx, wait)
}

// CheckService reports what should run by now, as was predicted, and does not.
func CheckService(v, predicted cluster.Status) error { return inService(v, predicted) }

// Starts are numbers of the last start of each resource on each node, "vip on n1": another
// number means another start.
func (s Steps) Starts(ctx context.Context) (map[string]string, error) {
	cib, err := s.cluster.Query(ctx)
	if err != nil {
		return nil, err
	}
	return starts(cib), nil
}

func starts(cib *CIB) map[string]string {
	out := map[string]string{}
	for _, state := range cib.root.Child("status").Descendants("node_state") {
		for _, r := range state.Descendants("lrm_resource") {
			for _, op := range r.Elements() {
				if name := op.Attr("operation"); op.Name == "lrm_rsc_op" && (name == "start" || name == "migrate_from") {
					out[base(r.Attr("id"))+" on "+state.Attr("uname")] = op.Attr("call-id")
				}
			}
		}
	}
	return out
}

// Marks are a set of cluster options of its own.
const (
	markSet = "thalassa-jobs"
	// maxMarks is how many of the last marks stay in the CIB.
	maxMarks = 50
)

// hasMark reports whether a write with that mark was made.
func hasMark(c *CIB, mark string) bool {
	return mark != "" && slices.Contains(c.Marks(), mark)
}

// Marks are those of the last writes that jobs made, in order: the ID of the job, a point, and
// the number of the write.
func (c *CIB) Marks() []string { return strings.Fields(marksOf(c)) }

func marksOf(c *CIB) string {
	for _, p := range c.section("crm_config").ByID(markSet).Descendants("nvpair") {
		if p.Attr("name") == markSet {
			return p.Attr("value")
		}
	}
	return ""
}

// withMark is a CIB with a mark, as the next version of another one.
func withMark(c, from *CIB, mark string) (*CIB, error) {
	return from.next(func(configuration *cibxml.Element) error {
		*configuration = *c.root.Child("configuration").Clone()
		marks := append(c.Marks(), mark)
		marks = marks[max(0, len(marks)-maxMarks):]
		properties := configuration.Ensure("crm_config")
		set := properties.ByID(markSet)
		if set == nil {
			set = cibxml.New("cluster_property_set", "id", markSet)
			properties.Add(set)
		}
		set.Children = []*cibxml.Element{cibxml.New("nvpair", "id", markSet+"-marks", "name", markSet, "value", strings.Join(marks, " "))}
		return nil
	})
}

// predictRestart foretells a restart: what Pacemaker does when the resource is stopped, and
// then when it may start again.
func (c *Cluster) predictRestart(ctx context.Context, cib *CIB, now cluster.Status, a cluster.Action) (cluster.Consequences, error) {
	stopped, err := c.onFile(ctx, cib, steps(cib, now, a))
	if err != nil {
		return cluster.Consequences{}, fmt.Errorf("simulating: %w", err)
	}
	return predictInTurn(ctx, c, stopped, []call{meta(a.Resource, "target-role", targetRole(cib, a.Resource))}, nil)
}

// predictInTurn foretells what Pacemaker does with a CIB, and then after calls that change it.
// check, if there is one, sees what is foretold for the first; its error ends the simulation.
func predictInTurn(ctx context.Context, c *Cluster, begin *CIB, end []call, check func(cluster.Status) error) (cluster.Consequences, error) {
	var first cluster.Consequences
	var then *CIB
	err := withFile(begin.data, func(path string) error {
		saved := filepath.Join(filepath.Dir(path), "after.xml")
		seen, err := schedule(ctx, &c.tools, begin, path, "-O", saved)
		if err != nil {
			return err
		}
		first = seen.foretold(begin)
		if check != nil {
			if err := check(first.After); err != nil {
				return err
			}
		}
		data, err := os.ReadFile(saved)
		if err != nil {
			return fmt.Errorf("simulating: reading the result: %w", err)
		}
		then, err = ParseCIB(data)
		return err
	})
	if err != nil {
		return first, err
	}
	again, err := c.onFile(ctx, then, end)
	if err != nil {
		return first, fmt.Errorf("simulating: %w", err)
	}
	second, err := c.predict(ctx, again)
	second.Actions = cluster.Joined(first.Actions, second.Actions)
	second.Text = cluster.Summarize(second.Actions)
	return second, err
}

// IsStale reports whether a step must be computed again.
func IsStale(err error) bool { return cluster.IsKind(err, cluster.KindStale) }

// IsTimeout reports whether the cluster has not settled in time.
func IsTimeout(err error) bool {
	return cluster.IsKind(err, cluster.KindTimedOut) || errors.Is(err, context.DeadlineExceeded)
}

// IsMarked reports whether a write with that mark was made.
func (s Steps) IsMarked(ctx context.Context, mark string) (bool, error) {
	cib, err := s.cluster.Query(ctx)
	if err != nil {
		return false, err
	}
	return hasMark(cib, mark), nil
}
