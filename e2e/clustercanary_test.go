package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clusterstatus "thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/pacemaker"
)

// The canaries: secrets in the CIB, in edits that are not made, and in a draft.
const canaryInCIB, canaryInEdit, canaryInDraft = "canary-in-cib-4711", "canary-in-edit-0815", "canary-in-draft-2342"

// canaryEdits have the canary in every place of an object that can hold a secret. Nothing of it
// runs.
func canaryEdits() string {
	xml := func(kind, id, text string) string {
		data, _ := json.Marshal(strings.ReplaceAll(text, "@@", canaryInCIB)) // of a string: never fails
		return `{"method":"PUT","path":"/cluster/config/` + kind + `/` + id + `","xml":` + string(data) + `}`
	}
	return `{"edits":[` + strings.Join([]string{
		xml("templates", "kind", `<template id="kind" class="ocf" provider="pacemaker" type="Dummy" description="@@">
			<instance_attributes id="kind-i"><nvpair id="kind-i-1" name="access" value="@@"/></instance_attributes>
			<operations><op id="kind-monitor" name="monitor" interval="13s"><instance_attributes id="kind-monitor-i"><nvpair id="kind-monitor-i-1" name="query" value="@@"/></instance_attributes></op></operations></template>`),
		xml("primitives", "api", `<primitive id="api" class="ocf" provider="pacemaker" type="Dummy" description="log in with @@">
			<instance_attributes id="api-i"><rule id="api-i-r" score="1"><expression id="api-i-r-e" attribute="rack" operation="eq" value="@@"/></rule>
			<nvpair id="api-i-1" name="pin" value="@@"/><nvpair id="api-i-2" name="url" value="https://me:@@@192.0.2.8/x"/><nvpair id="api-i-3" name="env" value="A=1 B=@@"/>
			<nvpair id="api-i-5" name="options" value="username=u,password=@@"/><nvpair id="api-i-7" name="command" value="/usr/bin/x -p @@"/></instance_attributes>
			<instance_attributes id="api-j"><nvpair id="api-j-1" name="passwd" value="@@"/></instance_attributes>
			<meta_attributes id="api-m"><nvpair id="api-m-1" name="target-role" value="Stopped"/><nvpair id="api-m-2" name="note" value="@@"/></meta_attributes>
			<utilization id="api-u"><nvpair id="api-u-2" name="seats" value="@@"/></utilization>
			<operations><op id="api-monitor" name="monitor" interval="11s" timeout="20s" description="@@"><instance_attributes id="api-monitor-i"><nvpair id="api-monitor-i-2" name="auth" value="@@"/></instance_attributes>
			<meta_attributes id="api-monitor-m"><nvpair id="api-monitor-m-1" name="memo" value="@@"/></meta_attributes></op></operations></primitive>`),
		xml("locations", "loc", `<rsc_location id="loc" rsc="api"><rule id="loc-r" score="51"><expression id="loc-e" attribute="rack" operation="eq" value="@@"/></rule></rsc_location>`),
		xml("roles", "acl", `<acl_role id="acl" description="@@"><acl_permission id="acl-p" kind="deny" xpath="//nvpair[@value='@@']"/></acl_role>`),
		xml("alerts", "hook", `<alert id="hook" path="/bin/true" description="@@"><instance_attributes id="hook-i"><nvpair id="hook-i-1" name="trap_community" value="@@"/><nvpair id="hook-i-2" name="sender" value="@@"/></instance_attributes>
			<recipient id="hook-r1" value="https://u:@@@hook.example/x"/><recipient id="hook-r2" value="@@" description="@@"><instance_attributes id="hook-r2-i"><nvpair id="hook-r2-i-1" name="channel" value="@@"/></instance_attributes></recipient></alert>`),
	}, ",") + `]}`
}

// A guest is somebody with a role, logged in.
type guest struct {
	role   string
	cookie *http.Cookie
	client *http.Client
}

func (v guest) ask(n *cluster.Node, method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, "https://"+n.Address()+":10000"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.AddCookie(v.cookie)
	res, err := v.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// guestAs logs the user with the name of a role in at a node.
func guestAs(t *testing.T, n *cluster.Node, client *http.Client, role string) guest {
	t.Helper()
	v := guest{role: role, client: &http.Client{Transport: client.Transport, Timeout: time.Minute}}
	testkit.Eventually(t, time.Minute, func() error {
		res, err := v.client.Post("https://"+n.Address()+":10000/session", "application/json", strings.NewReader(`{"user":"`+role+`","password":"correct horse"}`))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK || len(res.Cookies()) == 0 {
			return fmt.Errorf("login of %s: %s", role, res.Status)
		}
		v.cookie = res.Cookies()[0]
		return nil
	})
	return v
}

// secretsStay plants canaries wherever the cluster can have a secret, and looks for them in
// everything that an agent tells anybody, or keeps.
func secretsStay(t *testing.T, s *clusterFixture, client *http.Client) {
	t.Helper()
	n := s.cluster.Up()[0]
	admin := guestAs(t, n, client, "admin")
	n.Run("crm_attribute", "-N", n.Name, "-n", "ilo-password", "-v", canaryInCIB)
	n.Run("crm_attribute", "-n", "api_token", "-v", canaryInCIB)
	must := func(method, path, body string) string {
		t.Helper()
		status, text, err := admin.ask(n, method, path, body)
		if err != nil || status/100 != 2 {
			t.Fatalf("%s %s: %v, %d %s", method, path, err, status, text)
		}
		return text
	}
	out := must("POST", "/cluster/changes", canaryEdits())
	edit := func(value string) string {
		return `{"edits":[{"method":"PATCH","path":"/cluster/config/primitives/api","body":{"params":{"passwd":"` + value + `"},"meta":{"priority":"3"}}}]}`
	}
	out += must("POST", "/cluster/drafts", `{"id":"canary","message":"a test","listed":true}`)
	out += must("POST", "/cluster/changes?draft=canary", edit(canaryInDraft))
	out += must("POST", "/cluster/changes?dryRun=1", edit(canaryInEdit))
	out += must("POST", "/cluster/changes", strings.Replace(edit(canaryInCIB), `"3"`, `"no<number"`, 1))
	status, refused, err := admin.ask(n, "POST", "/cluster/changes", strings.Replace(edit(canaryInEdit), `}]}`, `},{"method":"DELETE","path":"/cluster/config/tags/none"}]}`, 1))
	if out += refused; err != nil || status != http.StatusNotFound {
		t.Fatalf("a change that cannot be made: %v, %d %s", err, status, refused)
	}
	noCanary(t, "answers to changes", out)

	paths := []string{
		"/cluster", "/cluster/nodes", "/cluster/resources", "/cluster/cib.xml", "/cluster/config", "/cluster/config?draft=canary", "/cluster/config.crm", "/cluster/config.xml", "/cluster/config.crm?draft=canary", "/cluster/config.xml?draft=canary", "/cluster/config/primitives/api?draft=canary",
		"/cluster/jobs?limit=1000", "/cluster/losses", "/cluster/drafts", "/cluster/drafts/canary", "/cluster/drafts/canary/diff",
		"/cluster/history?limit=50", "/cluster/history/operations", "/monitor.json", "/activity?limit=1000", "/audit?limit=1000", "/status", "/metrics",
	}
	for _, kind := range config.Kinds() {
		paths = append(paths, "/cluster/config/"+string(kind))
	}
	for _, object := range []string{"templates/kind", "primitives/api", "locations/loc", "roles/acl", "alerts/hook", "nodes/" + n.Name} {
		paths = append(paths, "/cluster/config/"+object)
	}
	var list struct{ Transitions []struct{ ID string } }
	if err := json.Unmarshal([]byte(must("GET", "/cluster/history?limit=1", "")), &list); err != nil || len(list.Transitions) == 0 {
		t.Errorf("history: %v, %+v", err, list)
	}
	for _, tr := range list.Transitions {
		for _, part := range []string{"", "/state", "/decisions", "/diff", "/cib.xml", "/config.crm"} {
			paths = append(paths, "/cluster/history/"+tr.ID+part)
		}
	}
	questions := map[string]string{
		"/cluster/simulate":       `{"draft":"canary","inject":[{"node":"` + n.Name + `","state":"unclean"}]}`,
		"/cluster/simulate/start": `{"resource":"api"}`, "/cluster/losses": `{"nodes":["` + n.Name + `"]}`,
		"/cluster/actions/start": `{"resource":"api"}`, "/cluster/actions/stop": `{"resource":"api"}`,
	}
	seen := map[string]int{}
	for _, role := range []string{"read", "deploy", "operate", "admin"} {
		v := guestAs(t, n, client, role)
		look := func(method, path, body string) {
			t.Helper()
			status, text, err := v.ask(n, method, path, body)
			if err != nil || status/100 != 2 && status != http.StatusForbidden && !(status == http.StatusNotFound && role != "admin") {
				t.Errorf("%s %s as %s: %v, %d %.300s", method, path, role, err, status, text)
			}
			if status/100 == 2 {
				seen[role]++
			}
			noCanary(t, method+" "+path+" as "+role, text)
		}
		for _, path := range paths {
			look("GET", path, "")
		}
		for path, body := range questions {
			look("POST", path, body)
		}
		status, text, err := v.ask(n, "POST", "/cluster/config/primitives/api/reveal", "")
		shown := strings.Contains(text, canaryInCIB)
		if err != nil || shown != (role == "admin") || !shown && status != http.StatusForbidden {
			t.Errorf("reveal as %s: %v, %d, shown %t", role, err, status, shown)
		}
	}
	if t.Logf("answers by role: %v", seen); seen["read"] < 25 || seen["admin"] <= seen["operate"] {
		t.Errorf("answers by role: %v", seen)
	}
	if log := must("GET", "/audit?limit=1000", ""); !strings.Contains(log, "primitives/api") || !strings.Contains(log, "export") {
		t.Errorf("the audit log has no export of primitives/api: %.2000s", log)
	}
	secretsOfDraftsStay(t, s, client, "canary")
	must("DELETE", "/cluster/drafts/canary", "")
	for _, node := range s.cluster.Up() {
		noCanary(t, "the log of "+node.Name, node.Log("thalassa.log", 100000))
		noCanaryStored(t, node)
		noCanaryInLines(t, node)
	}
}

// noCanaryInLines shows each line of Pacemaker's log that has the secret as an agent would that has not
// seen the CIB yet.
func noCanaryInLines(t *testing.T, n *cluster.Node) {
	t.Helper()
	data, err := os.ReadFile(n.Path("/var/log/pacemaker/pacemaker.log"))
	if err != nil {
		t.Error(err)
	}
	found := 0
	for text := range strings.Lines(string(data)) {
		if line, ok := pacemaker.LineOf(text, "", time.Now()); ok && strings.Contains(text, canaryInCIB) {
			found++
			for _, shown := range pacemaker.Shown([]clusterstatus.LogLine{line}, func(text string) string { return text }) {
				noCanary(t, "a line of "+n.Name, shown.Text)
			}
		}
	}
	if t.Logf("%s has logged the secret %d times", n.Name, found); found == 0 {
		t.Errorf("%s has logged no secret", n.Name)
	}
}

func noCanary(t *testing.T, what, text string) {
	t.Helper()
	for _, canary := range []string{canaryInCIB, canaryInEdit, canaryInDraft} {
		if i := strings.Index(text, canary); i >= 0 {
			t.Errorf("%s: a secret leaves: %s", what, text[max(0, i-150):min(len(text), i+50)])
		}
	}
}

// noCanaryStored looks for the secrets of the CIB in the files of an agent.
func noCanaryStored(t *testing.T, n *cluster.Node) {
	t.Helper()
	var names []string
	err := filepath.WalkDir(n.Path("/var/lib/thalassa"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // it is gone
		}
		if data, err := os.ReadFile(path); err == nil {
			names = append(names, d.Name())
			if i := strings.Index(string(data), canaryInCIB); i >= 0 {
				t.Errorf("%s on %s has a secret: %q", path, n.Name, data[max(0, i-150):i])
			}
		}
		return nil
	})
	if err != nil || !slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".db") }) {
		t.Errorf("the agent of %s has stored %q (%v)", n.Name, names, err)
	}
}
