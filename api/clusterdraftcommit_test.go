package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// draftShown is a draft as the API shows it.
type draftShown struct {
	Commit string
	Edits  []struct{ Path string }
}

// A commit whose agent was lost is finished by whoever is asked next, by what became of its job: the
// draft is dropped, can be changed again, or is left alone while the job may run.
func TestACommitOfALostAgent(t *testing.T) {
	t.Parallel()
	c, kept := apitest.NewCluster(), &apitest.ClusterDrafts{}
	s := newFixture(t, inCluster(c), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
	if err := c.SetConfiguration(`<configuration><resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources></configuration>`); err != nil {
		t.Fatal(err)
	}
	cleanup, err := c.Begin(t.Context(), cluster.Action{Kind: cluster.Cleanup}, cluster.Order{})
	if err != nil {
		t.Fatal(err)
	}
	done := cluster.Job{ID: strings.Repeat("0", 19) + "d", Kind: cluster.JobConfigure, State: cluster.JobDone}
	c.AddJob(done)
	begin := func(id, job string, age time.Duration) {
		t.Helper()
		s.do("POST", "/cluster/drafts", `{"id":"`+id+`"}`).wants(t, 201, nil)
		s.do("PUT", "/cluster/config/tags/"+id+"?draft="+id, `{"objects":["vip"]}`).wants(t, 200, nil)
		if _, err := kept.Update(t.Context(), id, func(d config.Draft) (config.Draft, error) {
			d.Commit = &config.Committing{Job: job, Begun: d.Changed.Add(-age)}
			return d, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	begin("running", strings.Repeat("0", 19)+"a", 0)
	var d draftShown
	if s.get("/cluster/drafts/running").wants(t, 200, &d); d.Commit == "" {
		t.Errorf("%+v", d)
	}
	for _, r := range []reply{
		s.do("PUT", "/cluster/config/tags/x?draft=running", `{"objects":["vip"]}`), s.do("DELETE", "/cluster/drafts/running", ""),
		s.do("POST", "/cluster/drafts/running/commit?wait=1s", ""), s.do("PATCH", "/cluster/drafts/running", `{"listed":true}`),
	} {
		if f := r.refused(t, 409, "conflict"); !strings.Contains(f.Error, "is being committed by job/") {
			t.Errorf("%q", f.Error)
		}
	}
	begin("lost", strings.Repeat("0", 19)+"b", time.Hour)
	s.do("PUT", "/cluster/config/tags/x?draft=lost", `{"objects":["vip"]}`).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/lost/commit", "").wants(t, 200, nil)
	s.get("/cluster/config/tags/x").wants(t, 200, nil)
	begin("made", done.ID, 0)
	s.get("/cluster/drafts/made").refused(t, 404, "not_found")
	s.get("/cluster/config/tags/made").refused(t, 404, "not_found")
	var list []struct{ ID string }
	if s.get("/cluster/drafts").wants(t, 200, &list); len(list) != 1 || list[0].ID != "running" {
		t.Errorf("%+v", list)
	}
	begin("another", cleanup.ID, 0)
	d = draftShown{}
	if s.get("/cluster/drafts/another").wants(t, 200, &d); d.Commit != cleanup.ID {
		t.Errorf("%+v", d)
	}
	begin("former", cleanup.ID, time.Hour)
	d = draftShown{}
	if s.get("/cluster/drafts/former").wants(t, 200, &d); d.Commit != "" {
		t.Errorf("%+v", d)
	}
}

// A commit that is refused leaves a draft that can be changed.
func TestACommitThatIsRefused(t *testing.T) {
	t.Parallel()
	s, c := configuredCluster(t)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	c.Lag()
	s.do("PUT", "/cluster/config/tags/t", `{"objects":["fence"]}`).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/a/commit", "").refused(t, 409, "conflict")
	s.do("POST", "/cluster/drafts/a/rebase", "").wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	s.get("/cluster/drafts/a").refused(t, 404, "not_found")
}

// twoAgents are those of n1, which is in standby, and n2, which have the same drafts. The second does not
// hear of jobs, and its clock is ahead.
func twoAgents(t *testing.T, ahead time.Duration) (first, second *fixture, c *apitest.Cluster, kept *apitest.ClusterDrafts) {
	t.Helper()
	c, kept = apitest.NewCluster(), &apitest.ClusterDrafts{}
	other := apitest.NewCluster()
	other.Change(func(v *cluster.Status) { v.Self, v.Nodes[0].State = "n2", "standby" })
	first = newFixture(t, inCluster(c), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
	second = newFixture(t, inCluster(other), func(cfg *api.Config) {
		cfg.ClusterDrafts, cfg.Now = kept, func() time.Time { return time.Now().Add(ahead) }
	})
	first.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	first.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	return first, second, c, kept
}

const lateEdit = "/cluster/config/tags/late?draft=a"

// While the scheduler is asked for long, an agent that has not heard of the job leaves the draft alone.
func TestACommitThatTakesLong(t *testing.T) {
	t.Parallel()
	first, second, c, _ := twoAgents(t, 11*time.Minute)
	c.Plan(func() {
		for _, s := range []*fixture{first, second} {
			var d draftShown
			if s.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit == "" {
				t.Errorf("%+v", d)
			}
			s.do("PUT", lateEdit, `{"objects":["vip"]}`).refused(t, 409, "conflict")
			s.do("DELETE", "/cluster/drafts/a", "").refused(t, 409, "conflict")
		}
	})
	first.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	for _, s := range []*fixture{first, second} {
		s.get("/cluster/drafts/a").refused(t, 404, "not_found")
	}
}

// A commit that another agent takes for lost before it writes changes nothing: the draft may have other
// edits by then.
func TestACommitThatIsTakenForLost(t *testing.T) {
	t.Parallel()
	first, second, c, _ := twoAgents(t, time.Hour)
	c.Plan(func() { second.do("PUT", lateEdit, `{"objects":["vip"]}`).wants(t, 200, nil) })
	if f := first.do("POST", "/cluster/drafts/a/commit", "").refused(t, 409, "conflict"); !strings.Contains(f.Error, "any more") {
		t.Errorf("%q", f.Error)
	}
	first.get("/cluster/config/tags/t").refused(t, 404, "not_found")
	var d draftShown
	if first.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit != "" || len(d.Edits) != 2 {
		t.Errorf("%+v", d)
	}
	first.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	first.get("/cluster/config/tags/late").wants(t, 200, nil)
}

// A commit that is taken for lost while it writes does not drop what came since.
func TestACommitThatIsTakenForLostLate(t *testing.T) {
	t.Parallel()
	first, second, c, _ := twoAgents(t, time.Hour)
	c.End(func(*cluster.Job) error {
		second.do("PUT", lateEdit, `{"objects":["vip"]}`).wants(t, 200, nil)
		return nil
	})
	first.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	var d draftShown
	if first.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit != "" || len(d.Edits) != 2 {
		t.Errorf("%+v", d)
	}
}

// The agent of a commit knows by itself that the commit is lost: it was started again.
func TestACommitOfAnAgentThatWasStartedAgain(t *testing.T) {
	t.Parallel()
	first, second, _, kept := twoAgents(t, 0)
	if _, err := kept.Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) {
		d.Commit = &config.Committing{Job: strings.Repeat("0", 19) + "a", Begun: time.Now(), ID: "x", Node: "n1"}
		return d, nil
	}); err != nil {
		t.Fatal(err)
	}
	second.do("PUT", lateEdit, `{"objects":["vip"]}`).refused(t, 409, "conflict")
	first.do("PUT", lateEdit, `{"objects":["vip"]}`).wants(t, 200, nil)
}

// A key that another job has had commits nothing, whatever becomes of the agent: the draft stays.
func TestACommitWithTheKeyOfAnotherJob(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key: week-31-again"
	first, second, c, kept := twoAgents(t, 0)
	first.do("PUT", "/cluster/config/tags/other", `{"objects":["vip"]}`, key).wants(t, 200, nil)
	list, _ := c.Jobs(t.Context(), cluster.JobQuery{})
	if f := first.do("POST", "/cluster/drafts/a/commit", "", key).refused(t, 409, "conflict"); !strings.Contains(f.Error, "another request") {
		t.Errorf("%q", f.Error)
	}
	var d draftShown
	if first.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit != "" || len(d.Edits) != 1 {
		t.Errorf("%+v", d)
	}
	if _, err := kept.Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) { // of an agent that had not heard of the job
		d.Commit = &config.Committing{Job: list[len(list)-1].ID, Begun: time.Now(), ID: "x", Node: "n2"}
		return d, nil
	}); err != nil {
		t.Fatal(err)
	}
	if first.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit == "" || len(d.Edits) != 1 {
		t.Errorf("%+v", d)
	}
	second.do("PUT", lateEdit, `{"objects":["vip"]}`).wants(t, 200, nil) // its agent knows better
	first.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: week-31-new").wants(t, 200, nil)
	first.get("/cluster/config/tags/late").wants(t, 200, nil)
}

// The job of a key that was interrupted before it changed anything begins again.
func TestACommitThatWasInterruptedBeginsAgain(t *testing.T) {
	t.Parallel()
	const key = "week-31-again"
	first, _, c, _ := twoAgents(t, 0)
	former := cluster.Job{
		ID: cluster.Order{Author: "anonymous@127.0.0.1", Key: key}.JobID(), Kind: cluster.JobConfigure, State: cluster.JobFailed,
		Code: cluster.JobInterrupted, Changed: new(false), Commit: "former",
	}
	c.AddJob(former)
	c.Plan(func() { // the job is still known as it was
		var d draftShown
		if first.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit != former.ID {
			t.Errorf("%+v", d)
		}
	})
	r := first.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: "+key)
	if r.wants(t, 200, nil); r.header.Get("Location") != "/cluster/jobs/"+former.ID {
		t.Errorf("its job is %s", r.header.Get("Location"))
	}
	first.get("/cluster/drafts/a").refused(t, 404, "not_found")
	first.get("/cluster/config/tags/t").wants(t, 200, nil)
}

// The job of a key that has failed is the answer to the same request, and the draft stays as it is.
func TestACommitThatIsRepeated(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key: week-31-again"
	first, second, c, _ := twoAgents(t, time.Hour)
	c.Plan(func() { second.get("/cluster/drafts/a").wants(t, 200, nil) })
	for _, words := range []string{"any more", "nothing was changed"} {
		if f := first.do("POST", "/cluster/drafts/a/commit", "", key).refused(t, 409, "conflict"); !strings.Contains(f.Error, words) {
			t.Errorf("%q", f.Error)
		}
		var d draftShown
		if first.get("/cluster/drafts/a").wants(t, 200, &d); d.Commit != "" || len(d.Edits) != 1 {
			t.Errorf("%+v", d)
		}
	}
	r := first.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: week-31-new")
	r.wants(t, 200, nil)
	again := "Idempotency-Key: week-31-third"
	first.do("PUT", "/cluster/config/tags/x", `{"objects":["vip"]}`, again).wants(t, 200, nil)
	first.do("PUT", "/cluster/config/tags/x", `{"objects":["vip"]}`, again).wants(t, 200, nil) // as the document says
}

// A commit that is sent again with its key, maybe to another agent, is answered by its job: the draft is
// not there any more. Nobody else hears of it, and no other draft was committed.
func TestACommitWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key: week-31-lost"
	s, _, c, kept := twoAgents(t, 0)
	first := s.do("POST", "/cluster/drafts/a/commit", "", key)
	first.wants(t, 200, nil)
	other := newFixture(t, inCluster(c), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
	for name, agent := range map[string]*fixture{"the same": s, "another": other} {
		repeated := agent.do("POST", "/cluster/drafts/a/commit", "", key)
		repeated.wants(t, 200, nil)
		if got, want := repeated.header.Get("Location"), first.header.Get("Location"); got != want || got == "" {
			t.Errorf("at %s agent, the job is %q, expected %q", name, got, want)
		}
	}
	c.AddJob(cluster.Job{
		ID: cluster.Order{Author: "bob", Key: "week-31-bob"}.JobID(), Kind: cluster.JobConfigure, State: cluster.JobDone, Author: "bob", Commit: "a/1",
	})
	s.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: week-31-bob").refused(t, 404, "not_found")
	author := "anonymous@127.0.0.1"
	c.AddJob(cluster.Job{
		ID: cluster.Order{Author: author, Key: "week-31-acl"}.JobID(), Kind: cluster.JobConfigure, State: cluster.JobFailed, Author: author,
		Commit: "b/1", Code: cluster.JobNotAllowed, Result: "no", Changed: new(false),
	})
	s.do("POST", "/cluster/drafts/b/commit", "", "Idempotency-Key: week-31-acl").refused(t, 403, "forbidden")
	s.do("POST", "/cluster/drafts/a/commit", "").refused(t, 404, "not_found")
	s.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: week-31-other").refused(t, 404, "not_found")
	s.do("POST", "/cluster/drafts/b/commit", "", key).refused(t, 404, "not_found")
	s.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: short").refused(t, 400, "invalid")
	s.do("POST", "/cluster/actions/cleanup", "", "Idempotency-Key: week-31-cleanup").wants(t, 200, nil)
	s.do("POST", "/cluster/drafts/a/commit", "", "Idempotency-Key: week-31-cleanup").refused(t, 404, "not_found")
}

// unreadJobs have not been read from the disk.
type unreadJobs struct{ *apitest.Cluster }

func (unreadJobs) Former(context.Context, string) (cluster.Job, error) {
	return cluster.Job{}, &lb.UnavailableError{What: "the jobs have not been read"}
}

// While it is not known whether a request is a repeated one, it is not refused for good.
func TestRepeatedRequestsWaitForTheJobs(t *testing.T) {
	t.Parallel()
	c := apitest.NewCluster()
	s := newFixture(t, inCluster(c), func(cfg *api.Config) { cfg.ClusterDrafts, cfg.ClusterJobs = &apitest.ClusterDrafts{}, unreadJobs{c} })
	const key = "Idempotency-Key: week-31-unread"
	s.do("POST", "/cluster/drafts/a/commit", "", key).refused(t, 503, "unavailable")
	s.do("POST", "/cluster/actions/cleanup", "", key, `If-Match: "0:1"`).refused(t, 503, "unavailable")
	s.do("POST", "/cluster/actions/cleanup", "", `If-Match: "0:1"`).refused(t, 412, "precondition_failed")
	s.do("POST", "/cluster/drafts/a/commit", "").refused(t, 404, "not_found")
}

// A commit whose job was canceled, or has failed, after its write was made: the draft is dropped.
func TestACommitThatEndsBadlyAfterItsWrite(t *testing.T) {
	t.Parallel()
	for _, state := range []cluster.JobState{cluster.JobCanceled, cluster.JobFailed} {
		first, _, c, _ := twoAgents(t, 0)
		c.End(func(j *cluster.Job) error {
			j.State, j.Result, j.Changed = state, "it did not settle; the change has been made", new(true)
			return &lb.ConflictError{ID: "job/1", Reason: "did not settle"}
		})
		first.do("POST", "/cluster/drafts/a/commit", "").refused(t, 409, "conflict")
		first.get("/cluster/drafts/a").refused(t, 404, "not_found")
	}
}

// slowJobs shows a job as running to whoever does not wait for it.
type slowJobs struct{ *apitest.Cluster }

func (j slowJobs) Job(ctx context.Context, id string) (cluster.Job, error) {
	out, err := j.Cluster.Job(ctx, id)
	if ctx.Err() != nil {
		out.State = cluster.JobRunning
	}
	return out, err
}

// Who asks for a commit that another agent has begun hears what has become of its job.
func TestACommitIsFollowed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		job    cluster.Job
		status int
		words  string
		stays  bool
	}{
		"done":            {cluster.Job{State: cluster.JobDone}, 200, "", false},
		"timed out":       {cluster.Job{State: cluster.JobTimedOut, Result: "too slow", Changed: new(true)}, 503, "too slow", false},
		"canceled late":   {cluster.Job{State: cluster.JobCanceled, Result: "canceled; the change has been made", Changed: new(true)}, 409, "the change has been made", false},
		"canceled early":  {cluster.Job{State: cluster.JobCanceled, Result: "canceled; nothing was changed", Changed: new(false)}, 409, "was not committed by job/", true},
		"nobody knows it": {cluster.Job{State: cluster.JobFailed, Result: "cibadmin did not answer"}, 409, "may have been committed by job/", true},
	} {
		c, kept := apitest.NewCluster(), &apitest.ClusterDrafts{}
		s := newFixture(t, inCluster(c), func(cfg *api.Config) { cfg.ClusterDrafts, cfg.ClusterJobs = kept, slowJobs{c} })
		s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
		s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
		tc.job.ID, tc.job.Kind, tc.job.Commit = strings.Repeat("0", 19)+"a", cluster.JobConfigure, "x"
		c.AddJob(tc.job)
		if _, err := kept.Update(t.Context(), "a", func(d config.Draft) (config.Draft, error) {
			d.Commit = &config.Committing{Job: tc.job.ID, Begun: time.Now(), ID: "x", Node: "n2"}
			return d, nil
		}); err != nil {
			t.Fatal(err)
		}
		if r := s.do("POST", "/cluster/drafts/a/commit?wait=1s", ""); r.status != tc.status || !strings.Contains(string(r.body), tc.words) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		d, err := kept.Draft(t.Context(), "a")
		if stays := err == nil && d.Commit == nil; stays != tc.stays {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

// meddled are drafts of which something happens right before a write.
type meddled struct {
	*apitest.ClusterDrafts
	before  func()
	after   func(config.Draft) // right after an update, when others can read it already
	refused error              // of Delete
}

func (m *meddled) meddle() {
	if now := m.before; now != nil {
		m.before = nil
		now()
	}
}

func (m *meddled) Update(ctx context.Context, id string, change func(config.Draft) (config.Draft, error)) (config.Draft, error) {
	m.meddle()
	d, err := m.ClusterDrafts.Update(ctx, id, change)
	if err == nil && m.after != nil {
		m.after(d)
	}
	return d, err
}

func (m *meddled) Delete(ctx context.Context, id string, check func(config.Draft) error) error {
	m.meddle()
	if m.refused != nil {
		return m.refused
	}
	return m.ClusterDrafts.Delete(ctx, id, check)
}

// A commit is not taken for lost by who reads the draft as soon as it says that it is being committed.
func TestACommitThatBegins(t *testing.T) {
	t.Parallel()
	kept, seen := &meddled{ClusterDrafts: &apitest.ClusterDrafts{}}, 0
	s := newFixture(t, inCluster(apitest.NewCluster()), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	kept.after = func(d config.Draft) {
		if d.Commit == nil || d.Commit.Writing {
			return
		}
		seen++
		var shown draftShown
		if s.get("/cluster/drafts/a").wants(t, 200, &shown); shown.Commit == "" {
			t.Error("the commit is taken for lost")
		}
		s.do("PUT", lateEdit, `{"objects":["vip"]}`).refused(t, 409, "conflict")
	}
	s.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	if seen != 1 {
		t.Errorf("the draft was looked at %d times", seen)
	}
}

// hesitant is a cluster that refuses a change when it has thought for long.
type hesitant struct {
	*apitest.Cluster

	begun, refuse chan struct{}
}

func (c *hesitant) Configure(ctx context.Context, _ []config.Edit, _ time.Duration, _ cluster.Order) (config.Outcome, cluster.Job, error) {
	close(c.begun)
	select {
	case <-ctx.Done(): // whoever has asked has gone, and the job goes on
		return config.Outcome{}, cluster.Job{}, ctx.Err()
	case <-c.refuse:
		return config.Outcome{}, cluster.Job{}, &lb.ConflictError{ID: "tags/t", Reason: "has changed"}
	}
}

// A commit that is refused after its client has gone leaves a draft that can be changed.
func TestACommitWithoutItsClient(t *testing.T) {
	t.Parallel()
	c := &hesitant{Cluster: apitest.NewCluster(), begun: make(chan struct{}), refuse: make(chan struct{})}
	s := newFixture(t, inCluster(c.Cluster), func(cfg *api.Config) { cfg.ClusterConfiguration = c })
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-c.begun
		leave()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/cluster/drafts/a/commit", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roundTrip(req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.do("PUT", lateEdit, `{"objects":["vip"]}`).refused(t, 409, "conflict")
	close(c.refuse)
	testkit.Eventually(t, patience, func() error {
		if r := s.do("PUT", lateEdit, `{"objects":["vip"]}`); r.status != 200 {
			return fmt.Errorf("%d %s", r.status, r.body)
		}
		return nil
	})
}

// What a drop and a commit need is looked at again in their write.
func TestWritesOfADraftLookAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(d *config.Draft)
		status int
		code   string
	}{
		"a commit begins": {func(d *config.Draft) {
			d.Commit = &config.Committing{Job: strings.Repeat("0", 19) + "a", Begun: time.Now(), ID: "x", Node: "n2"}
		}, 409, "conflict"},
		"it is not listed": {func(d *config.Draft) { d.Listed, d.Author = false, "bob" }, 404, "not_found"},
	} {
		kept := &meddled{ClusterDrafts: &apitest.ClusterDrafts{}}
		s := newFixture(t, inCluster(apitest.NewCluster()), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
		for id, r := range map[string]string{"a": "DELETE /cluster/drafts/a", "b": "POST /cluster/drafts/b/commit"} {
			s.do("POST", "/cluster/drafts", `{"id":"`+id+`"}`).wants(t, 201, nil)
			s.do("PUT", "/cluster/config/tags/t?draft="+id, `{"objects":["vip"]}`).wants(t, 200, nil)
			kept.before = func() {
				if _, err := kept.ClusterDrafts.Update(t.Context(), id, func(d config.Draft) (config.Draft, error) {
					tc.change(&d)
					return d, nil
				}); err != nil {
					t.Error(err)
				}
			}
			method, path, _ := strings.Cut(r, " ")
			s.do(method, path, "").refused(t, tc.status, tc.code)
			if _, err := kept.Draft(t.Context(), id); err != nil || kept.before != nil {
				t.Errorf("%s, %s: %v", name, r, err)
			}
		}
		s.get("/cluster/config/tags/t").refused(t, 404, "not_found")
	}
}

// A commit whose key another job has had does not even claim the draft.
func TestACommitWithTheKeyOfAnotherJobWritesNothing(t *testing.T) {
	t.Parallel()
	const key = "Idempotency-Key: week-31-again"
	kept := &meddled{ClusterDrafts: &apitest.ClusterDrafts{}}
	s := newFixture(t, inCluster(apitest.NewCluster()), func(cfg *api.Config) { cfg.ClusterDrafts = kept })
	s.do("PUT", "/cluster/config/tags/other", `{"objects":["vip"]}`, key).wants(t, 200, nil)
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	written := false
	kept.before = func() { written = true }
	s.do("POST", "/cluster/drafts/a/commit", "", key).refused(t, 409, "conflict")
	if written {
		t.Error("the draft was written")
	}
}

// A commit that was made is answered so, though its draft cannot be dropped at present. The next request
// drops it.
func TestACommitWhoseDraftCannotBeDropped(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	kept := &meddled{ClusterDrafts: &apitest.ClusterDrafts{}}
	s := newFixture(t, inCluster(apitest.NewCluster()), func(cfg *api.Config) {
		cfg.ClusterDrafts, cfg.Logger = kept, slog.New(slog.NewTextHandler(&log, nil))
	})
	s.do("POST", "/cluster/drafts", `{"id":"a"}`).wants(t, 201, nil)
	s.do("PUT", "/cluster/config/tags/t?draft=a", `{"objects":["vip"]}`).wants(t, 200, nil)
	kept.refused = &lb.UnavailableError{What: "the agents do not agree on the drafts at present"}
	s.do("POST", "/cluster/drafts/a/commit", "").wants(t, 200, nil)
	if !strings.Contains(log.String(), "draft not up to date after its commit") {
		t.Errorf("the log: %s", &log)
	}
	s.get("/cluster/config/tags/t").wants(t, 200, nil)
	kept.refused = nil
	s.get("/cluster/drafts/a").refused(t, 404, "not_found")
}
