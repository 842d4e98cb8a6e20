package pacemaker

import (
	"slices"

	"thalassa/cluster"
	"thalassa/lb"
)

// OtherCIB returns the variables of an environment by which every tool of Pacemaker uses
// another CIB than the running cluster's: CIB_shadow, or else CIB_file. Variables are
// NAME=VALUE, what names the CIB for people. None: the running cluster's is used.
func OtherCIB(lookup func(name string) string) (variables []string, name string) {
	if shadow := lookup("CIB_shadow"); shadow != "" {
		variables = []string{"CIB_shadow=" + shadow}
		for _, place := range []string{"CIB_shadow_dir", "HOME"} { // where it is kept
			if value := lookup(place); value != "" {
				variables = append(variables, place+"="+value)
			}
		}
		return variables, "the shadow CIB " + shadow
	}
	if file := lookup("CIB_file"); file != "" {
		return []string{"CIB_file=" + file}, "the CIB in " + file
	}
	return nil, ""
}

// checkLive refuses what only a running cluster can do.
func (t *tools) checkLive(a cluster.Action) error {
	if t.isLive() || a.Ticket == "" && slices.Contains([]string{
		cluster.Standby, cluster.Online, cluster.StartMaintenance, cluster.EndMaintenance, cluster.Stop, cluster.Start,
		cluster.KeepOff, cluster.Clear, cluster.Manage, cluster.Unmanage, cluster.Promote, cluster.Demote,
		cluster.Apply, cluster.Destroy,
	}, a.Kind) {
		return nil
	}
	return &lb.ConflictError{ID: "cluster", Reason: a.Kind + " needs the running cluster, and CIB_shadow or CIB_file is set"}
}
