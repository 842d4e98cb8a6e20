package agent

import (
	"fmt"
	"strings"

	"thalassa/activity"
	"thalassa/lb"
)

func agentObject(label string) activity.Object {
	return activity.Object{ID: "agent", Type: "agent", Key: label}
}

func haproxyObject() activity.Object {
	return activity.Object{ID: "haproxy", Type: "haproxy"}
}

func backendObject(b lb.Backend) activity.Object {
	return activity.Object{ID: b.ID(), Type: "backend", Key: string(b.Key)}
}

func editedEvent(e lb.Edit, by lb.Origin, applied lb.Applied) activity.Event {
	kind, key, _ := strings.Cut(e.ID(), "/")
	what := "put"
	switch {
	case e.Delete != "":
		what = "deleted"
	case e.Switch != nil:
		what = "switched"
	}
	return activity.Event{
		Verb: activity.ConfigurationChanged, Object: activity.Object{ID: e.ID(), Type: kind, Key: key},
		Author: by.Author, Cause: by.Cause, Message: by.Message, Diff: []string{e.ID() + " " + what},
		Revision: applied.Revision, Path: applied.Path, DurationMS: float64(applied.Duration.Microseconds()) / 1000,
		Error: applied.Reason, Reasons: applied.Warnings,
	}
}

// changesetEvent names each object that a changeset changed.
func changesetEvent(by lb.Origin, applied lb.Applied) activity.Event {
	diff := make([]string, len(applied.Changes))
	for i, change := range applied.Changes {
		what := "put"
		if change.After == nil {
			what = "deleted"
		}
		diff[i] = change.ID + " " + what
	}
	return activity.Event{
		Verb: activity.ConfigurationChanged, Object: activity.Object{ID: "configuration", Type: "configuration"},
		Author: by.Author, Cause: by.Cause, Message: by.Message, Diff: diff,
		Revision: applied.Revision, Path: applied.Path, DurationMS: float64(applied.Duration.Microseconds()) / 1000,
		Error: applied.Reason, Reasons: applied.Warnings,
	}
}

func switchedEvent(before, after lb.Backend, by lb.Origin, applied lb.Applied) activity.Event {
	return activity.Event{
		Verb: activity.BackendSwitched, Object: backendObject(after), Author: by.Author, Cause: by.Cause,
		Diff:     []string{fmt.Sprintf("%s %s → %s %s", before.Service, before.Selection(), after.Service, after.Selection())},
		Revision: applied.Revision, Path: applied.Path, DurationMS: float64(applied.Duration.Microseconds()) / 1000,
		Error: applied.Reason, Reasons: applied.Warnings,
	}
}

func serviceObject(name lb.Name) activity.Object {
	return activity.Object{ID: "service/" + string(name), Type: "service", Key: string(name)}
}

// enumerate lists up to ten of the names.
func enumerate(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
