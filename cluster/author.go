package cluster

import (
	"slices"
	"time"
)

// An Authorship is who changed the configuration, and with what. Jobs say who asked for them;
// of other changes, Pacemaker notes the last one only, with the account that made it.
type Authorship struct {
	// Name is the user of the API who asked for the job, or the account of the system;
	// empty: nobody has recorded it.
	Name string `json:"name,omitempty"`
	// Time is when the job began, or when the configuration was written.
	Time time.Time `json:"time,omitzero"`
	// Job is the ID of the job, with its kind and what it is about; empty: it was no job.
	Job    string `json:"job,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Object string `json:"object,omitempty"`
	Client string `json:"client,omitempty"` // the program: cibadmin, crm_resource
	Node   string `json:"node,omitempty"`   // whose agent carried the job out, or where the program ran
	// Versions is how many versions of the configuration were made so.
	Versions uint64 `json:"versions"`
}

// Authored says who made the versions of the configuration between a transition and the one
// before. jobs finds a job by its ID; nil: there are none.
func Authored(t Transition, jobs func(id string) (Job, bool)) []Authorship {
	var out []Authorship
	var theirs uint64 // versions of jobs
	known := []Job{}
	for _, id := range t.Jobs {
		theirs += versionsOfWrite
		if i := slices.IndexFunc(out, func(a Authorship) bool { return a.Job == id }); i >= 0 {
			out[i].Versions += versionsOfWrite
			continue
		}
		a := Authorship{Job: id, Versions: versionsOfWrite}
		if jobs != nil {
			if j, ok := jobs(id); ok {
				a.Name, a.Time, a.Kind, a.Object, a.Node = j.Author, j.Begun, j.Kind, j.Object, j.Node
				known = append(known, j)
			}
		}
		out = append(out, a)
	}
	if t.Versions <= theirs {
		return out
	}
	rest := t.Versions - theirs
	isOfJob := func(j Job) bool { return t.Change != nil && j.wrote(*t.Change) }
	if t.Change != nil && !slices.ContainsFunc(known, isOfJob) {
		out = append(out, Authorship{Name: t.Change.User, Time: t.Change.Time, Client: t.Change.Client, Node: t.Change.Node, Versions: 1})
		rest--
	}
	if rest > 0 {
		out = append(out, Authorship{Versions: rest})
	}
	return out
}

// versionsOfWrite is how many versions of the configuration one write of a job makes: its patch
// names the next one, and Pacemaker counts the change once more (seen with 2.1.5 and 3.0.0).
const versionsOfWrite = 2

// jobClient is the program with which jobs write the configuration.
const jobClient = "cibadmin"

// wrote reports whether a change may be the job's. Pacemaker notes its time to the second,
// by another clock.
func (j Job) wrote(c ConfigurationChange) bool {
	const clocks = 2 * time.Second
	return c.Client == jobClient && c.Node == j.Node && !c.Time.Before(j.Begun.Add(-clocks)) && (!j.Over() || !c.Time.After(j.Ended.Add(clocks)))
}
