package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/permit"
	"thalassa/internal/wake"
	"thalassa/jobs"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// said is what a job says about whether it has changed something.
func said(j cluster.Job) string {
	switch {
	case j.Changed == nil:
		return "not known"
	case *j.Changed:
		return "yes"
	}
	return "no"
}

// A job says whether it has changed the cluster, however it has ended, and which commit it is.
func TestAJobSaysWhetherItHasChangedSomething(t *testing.T) {
	c := newTwo(t)
	n1, _ := c.start(t, "n1", &disk{docs: map[string][]byte{}})
	n2, _ := c.start(t, "n2", &disk{docs: map[string][]byte{}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	isEverywhere := func(name string, j cluster.Job, state cluster.JobState, changed string) {
		t.Helper()
		id, known := j.ID, false
		for !known || !j.Over() {
			var err error
			if j, err = n2.Job(ctx, id); err != nil && !errors.As(err, new(*lb.NotFoundError)) || wake.Pause(ctx, 10*time.Millisecond) != nil {
				t.Fatalf("%s: %+v, %v", name, j, err)
			}
			known = err == nil
		}
		if j.State != state {
			t.Errorf("%s: %+v", name, j)
		}
		if said(j) != changed || j.IsMade() != (changed == "yes") {
			t.Errorf("%s: changed: %s, expected %s, made %t: %+v", name, said(j), changed, j.IsMade(), j)
		}
	}
	tag := []config.Edit{{Op: config.Put, Kind: config.Tags, ID: "shops", Body: []byte(`{"objects":["vip"]}`)}}
	_, j, err := n1.Configure(ctx, tag, time.Minute, cluster.Order{Commit: "this one"})
	if err != nil || j.Commit != "this one" {
		t.Fatalf("%+v, %v", j, err)
	}
	isEverywhere("done", j, cluster.JobDone, "yes")

	refused := permit.With(ctx, func() error { return errors.New("not allowed any more") })
	_, j, err = n1.Configure(refused, []config.Edit{{Op: config.Delete, Kind: config.Tags, ID: "shops"}}, time.Minute, cluster.Order{})
	if err == nil || j.ID == "" {
		t.Fatalf("%+v, %v", j, err)
	}
	isEverywhere("refused", j, cluster.JobFailed, "no")

	// A resource that is to start, and never does: the job waits for it after its write.
	began := make(chan cluster.Job, 1)
	go func() {
		dummy := []config.Edit{{Op: config.Put, Kind: config.Primitives, ID: "dummy", Body: []byte(`{"agent":"ocf:pacemaker:Dummy"}`)}}
		_, j, err := n1.Configure(ctx, dummy, time.Minute, cluster.Order{})
		if err == nil {
			t.Errorf("it is done: %+v", j)
		}
		began <- j
	}()
	for data := []byte{}; !strings.Contains(string(data), `id="dummy"`); {
		if data, err = os.ReadFile(c.path); err != nil || wake.Pause(ctx, 10*time.Millisecond) != nil {
			t.Fatal(err, ctx.Err())
		}
	}
	list, err := n1.Jobs(ctx, cluster.JobQuery{State: cluster.JobRunning})
	if err != nil || len(list) != 1 || said(list[0]) != "not known" || list[0].IsMade() {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := n1.Cancel(ctx, list[0].ID, "bob"); err != nil {
		t.Fatal(err)
	}
	if j = <-began; !strings.Contains(j.Result, "the change has been made") {
		t.Errorf("%+v", j)
	}
	isEverywhere("canceled", j, cluster.JobCanceled, "yes")
}

// Jobs of agents that do not say whether they have changed something are read as what they have noted.
func TestJobsOfFormerAgentsSayWhetherTheyHaveChangedSomething(t *testing.T) {
	docs, want := map[string][]byte{}, map[string]string{}
	for i, tc := range []struct{ doc, changed string }{
		{`"kind":"configure","state":"canceled","written":1,"result":"the job was canceled; the change has been made"`, "yes"},
		{`"kind":"configure","state":"failed","written":1,"result":"web did not start everywhere"`, "yes"},
		{`"kind":"configure","state":"timed-out","written":1`, "yes"},
		{`"kind":"configure","state":"done","written":1,"changes":["tag shops is new"]`, "yes"},
		{`"kind":"configure","state":"done","written":1`, "no"},
		{`"kind":"standby","action":{"node":"n3"},"state":"done","written":1`, "yes"},
		{`"kind":"configure","state":"canceled","written":0,"result":"the job was canceled; nothing was changed"`, "no"},
		{`"kind":"configure","state":"failed","written":0,"code":"interrupted"`, "no"},
		{`"kind":"configure","state":"failed","written":0,"result":"cibadmin did not answer"`, "not known"},
		{`"kind":"shutdown","action":{},"state":"failed","written":1,"looks":true,"result":"the agent of n2 does not answer"`, "no"},
		{`"kind":"shutdown","action":{},"state":"failed","written":1,"looks":true,"passed":true`, "yes"},
		{`"kind":"configure","state":"failed","written":0,"changed":true`, "yes"},
	} {
		id := strings.Repeat("c", 18) + string([]byte{'a' + byte(i/10), '0' + byte(i%10)})
		docs[id], want[id] = []byte(`{"id":"`+id+`","node":"n3","attempts":1,`+tc.doc+`}`), tc.changed
	}
	view := cluster.Status{Self: "n1", State: cluster.StateNone}
	r := jobs.New(jobs.Config{
		Steps: pacemaker.NewSteps(pacemaker.New(pacemaker.Config{})), Exchange: place{&board{texts: map[string]string{}, rings: map[string]string{}}, "n1", func() {}},
		Store: &disk{docs: docs}, View: func() cluster.Status { return view }, Changed: new(wake.Signal).Next,
		Fresh: func(context.Context, cluster.Epoch) {}, Record: func(context.Context, activity.Event) {}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	list, err := r.Jobs(ctx, cluster.JobQuery{})
	if err != nil || len(list) != len(docs) {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, j := range list {
		if said(j) != want[j.ID] {
			t.Errorf("changed: %s, expected %s: %+v", said(j), want[j.ID], j)
		}
	}
}
