package pacemaker_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// elsewhere is a cluster whose tools use another CIB than the running one's: nothing runs.
func elsewhere(t *testing.T, name string) (*pacemaker.Cluster, string) {
	t.Helper()
	_, path := onFile(t, name)
	return pacemaker.New(pacemaker.Config{OtherCIB: []string{"CIB_file=" + path}}), path
}

// The end of a maintenance takes back what its beginning has written, and says what else
// keeps a resource or node in maintenance.
func TestEndOfMaintenance(t *testing.T) {
	for name, tc := range map[string]struct {
		action cluster.Action
		others []string // what somebody else does
		words  string   // of the refusal
	}{
		"of the cluster":  {cluster.Action{}, nil, ""},
		"of a node":       {cluster.Action{Node: "n1"}, nil, ""},
		"of a resource":   {cluster.Action{Resource: "vip"}, nil, ""},
		"of a clone":      {cluster.Action{Resource: "haproxy-clone"}, nil, ""},
		"of an instance":  {cluster.Action{Resource: "haproxy"}, nil, ""},
		"unmanaged":       {cluster.Action{Resource: "vip"}, []string{"crm_resource", "-r", "vip", "--meta", "-p", "is-managed", "-v", "false"}, "is-managed of vip is false"},
		"unmanaged clone": {cluster.Action{Resource: "haproxy"}, []string{"crm_resource", "-r", "haproxy-clone", "--meta", "-p", "is-managed", "-v", "false"}, "is-managed of haproxy-clone is false"},
		"by default":      {cluster.Action{Resource: "vip"}, []string{"cibadmin", "-C", "-o", "configuration", "-X", `<rsc_defaults><meta_attributes id="d"><nvpair id="d1" name="is-managed" value="false"/></meta_attributes></rsc_defaults>`}, "the default of is-managed is false"},
		"of a member":     {cluster.Action{Resource: "db"}, []string{"crm_resource", "-r", "db-ip", "--meta", "-p", "maintenance", "-v", "true"}, "db-ip is in maintenance"},
		"with all":        {cluster.Action{Resource: "vip"}, []string{"crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "true"}, "the cluster is in maintenance"},
		"with its node":   {cluster.Action{Resource: "vip"}, []string{"crm_attribute", "-N", "n2", "-n", "maintenance", "-v", "true"}, "node n2 is in maintenance"},
		"until a restart": {cluster.Action{Node: "n1"}, []string{"crm_attribute", "-N", "n1", "-l", "reboot", "-n", "maintenance", "-v", "true"}, "still in maintenance"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, path := elsewhere(t, "failed.xml")
			with(t, path, "resources", foreign)
			if tc.others != nil {
				tool(t, path, tc.others[0], tc.others[1:]...)
			}
			before := settings(t, path)
			tc.action.Kind = cluster.StartMaintenance
			if _, err := c.Do(t.Context(), tc.action); err != nil {
				t.Fatal(err)
			}
			if settings(t, path) == before {
				t.Error("nothing was written")
			}
			tc.action.Kind = cluster.EndMaintenance
			v, err := c.Do(t.Context(), tc.action)
			said(t, err, tc.words)
			if after := settings(t, path); after != before {
				t.Errorf("after it\n%s\nexpected\n%s", after, before)
			}
			if tc.words == "" && v.State == cluster.StateMaintenance {
				t.Errorf("the state is %s: %q", v.State, v.Reasons)
			}
			// What others have set is all that is left: there is nothing to do.
			_, err = c.Predict(t.Context(), tc.action)
			said(t, err, tc.words)
		})
	}
}

// settings is the configuration in a file, without the empty sets that Pacemaker's tools
// leave.
func settings(t *testing.T, path string) string {
	t.Helper()
	text := regexp.MustCompile(`<(instance|meta)_attributes id="[^"]*"/>`).ReplaceAllString(configurationIn(t, path), "")
	text = regexp.MustCompile(`<node id="(\d)" uname="(n\d)">\s*</node>`).ReplaceAllString(text, `<node id="$1" uname="$2"/>`)
	return regexp.MustCompile(`>\s+<`).ReplaceAllString(text, "><")
}

// said checks that err is a conflict with these words; without words, that there is none.
func said(t *testing.T, err error, words string) {
	t.Helper()
	conflict, ok := errors.AsType[*lb.ConflictError](err)
	if words == "" && err != nil || words != "" && (!ok || !strings.Contains(conflict.Reason, words)) {
		t.Errorf("%v, expected %q", err, words)
	}
}

// A maintenance that something else undoes is not reported as done.
func TestMaintenanceWithoutEffect(t *testing.T) {
	c, path := elsewhere(t, "failed.xml")
	with(t, path, "resources", foreign)
	tool(t, path, "cibadmin", "-M", "-X", `<primitive id="db-ip"><meta_attributes id="db-ip-m"><nvpair id="db-ip-m-1" name="maintenance" value="false"/></meta_attributes></primitive>`)
	_, err := c.Do(t.Context(), cluster.Action{Kind: cluster.StartMaintenance, Resource: "db"})
	said(t, err, "Pacemaker still manages it")
}
