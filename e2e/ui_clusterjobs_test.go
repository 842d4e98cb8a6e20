package e2e_test

import (
	"testing"

	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// A user sees what was asked of the cluster, the newest first, and what each job has done; what is
// asked for meanwhile comes without being asked for.
func TestClusterJobsPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	act := func(kind, node string) {
		t.Helper()
		author := map[string]string{cluster.Standby: "ann", cluster.Online: "bob"}[kind]
		if _, _, err := c.Do(t.Context(), cluster.Action{Kind: kind, Node: node}, cluster.Order{Author: author}); err != nil {
			t.Fatal(err)
		}
		c.Change(func(v *cluster.Status) { v.Epoch.Updates++ })
	}
	p := openPage(t, inMemory(t, c), "/cluster", look{})
	p.click(p.button(".head", "Jobs"))
	p.reads("h1", "Jobs")
	p.reads("nav [aria-current]", "Cluster")
	p.reads(".empty", "No jobs yet")
	act(cluster.Standby, "n2")
	p.reads(`[aria-label="Jobs"] tbody`, "ann", "standby node/n2", "done", "n1")
	act(cluster.Online, "n2")
	p.reads(`[aria-label="Jobs"] tbody`, "online node/n2")
	p.sees(`document.querySelector('[aria-label="Jobs"] tbody a').getAttribute("aria-label").endsWith(" standby node/n2")`)
	p.choose(`[aria-label="Author"]`, "bob") // who sees one author can choose another one
	p.sees(`document.querySelectorAll('[aria-label="Jobs"] tbody tr').length === 1`)
	p.choose(`[aria-label="Author"]`, "ann")
	p.reads(`[aria-label="Jobs"] tbody`, "standby node/n2")
	p.choose(`[aria-label="Author"]`, "")
	p.reads(`[aria-label="Jobs"] tbody`, "standby node/n2", "online node/n2")
	p.barriers(axe(t), "the jobs", allRules)
	p.legible("the jobs", look{})
	p.click(`[aria-label="Jobs"] tbody tr:first-child a`)
	p.reads(`[aria-label="Job"]`, "Job 00000000", "ann: standby node/n2, on n1")
	p.sees(`document.querySelectorAll('[aria-label="Jobs"] tbody tr[aria-current]').length === 1`)
	p.barriers(axe(t), "a job", allRules)
	p.shot("jobs")

	// A job ends without a change of the cluster. What was refused is no error for ever.
	p.excuse("409")
	c.SetJobs(cluster.JobRunning)
	p.click(p.button(".head", "Refresh"))
	p.reads(`[aria-label="Job"] .head`, "running", "Cancel the job")
	p.click(p.button(`[aria-label="Job"]`, "Cancel the job"))
	p.reads(`[aria-label="Job"] .problem`, "it is over")
	p.click(p.button(`[aria-label="Job"]`, "Try again"))
	p.sees(`!document.querySelector('[aria-label="Job"] .problem')`)
	c.SetJobs(cluster.JobDone)
	p.sees(`document.querySelector('[aria-label="Job"] .head .badge').innerText === "done" && !document.querySelector('[aria-label="Jobs"] tbody').innerText.includes("running")`)
	p.click(p.button(`[aria-label="Job"]`, "Close"))
	p.sees(`!document.querySelector('[aria-label="Job"]') && !location.search.includes("job=")`)
	p.look(look{width: 360, height: 740, phone: true, dark: true})
	p.sees(`document.documentElement.scrollWidth <= innerWidth`)
	p.shot("jobs-phone")
}
