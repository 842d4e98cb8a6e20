package pacemaker_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// A write that fails keeps its reason, and a revert is claimed only where there was one.
func TestRolloutWhoseWriteFails(t *testing.T) {
	for name, tc := range map[string]struct {
		patch string // what cibadmin does with a patch
		kind  cluster.ErrorKind
		says  string
	}{
		"no right":           {`echo "cibadmin: not by you" >&2; exit 4`, cluster.KindForbidden, "not by you (exit code 4); nothing was changed"},
		"no quorum":          {`exit 106`, cluster.KindNoQuorum, "; nothing was changed"},
		"taken nevertheless": {`/usr/sbin/cibadmin "$@" || { is=$?; rm "$TRIED"; exit $is; }; exit 124`, "", "reverted to generation 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, path := onFile(t, "failed.xml")
			pass := func(tool string) string { return `exec /usr/sbin/` + tool + ` "$@"` }
			dir := tools(t, map[string]string{
				// The first patch is that of the rollout.
				"cibadmin": `case " $* " in *" --patch "*) TRIED=` + path + `.tried; if ! [ -e "$TRIED" ]; then touch "$TRIED"; ` + tc.patch + `; fi;; esac; ` + pass("cibadmin"),
				// The agents of all nodes answer that their configuration is valid: -n NAME -N NODE -U VALUE.
				"attrd_updater": `[ "$5" = -U ] || exit 0; export CIB_file=` + path + `; exec flock ` + path + `.lock /usr/sbin/crm_attribute -l reboot -N "$4" -n thalassa-validated -v "$6 ok"`,
				"crm_mon":       pass("crm_mon"), "crm_simulate": pass("crm_simulate"), "crm_resource": pass("crm_resource"), "crm_diff": pass("crm_diff"), "crm_node": pass("crm_node"),
			})
			c := pacemaker.New(pacemaker.Config{File: path, Tools: dir})
			out, err := c.Rollout(t.Context(), cluster.Action{Kind: cluster.Rollout, Resource: "haproxy", Wait: 20 * time.Second})
			if err == nil || !strings.Contains(err.Error(), tc.says) || out.To != "1" || len(out.Nodes) != 3 {
				t.Errorf("%+v, %v, expected %q", out.RolledOut, err, tc.says)
			}
			if isConflict := errors.As(err, new(*lb.ConflictError)); isConflict != (tc.kind == "") || tc.kind != "" && !cluster.IsKind(err, tc.kind) {
				t.Errorf("the error is %#v, expected the kind %q", err, tc.kind)
			}
			if !strings.Contains(text(t, path), `name="generation" value="1"`) {
				t.Error("the generation is another one")
			}
		})
	}
}
