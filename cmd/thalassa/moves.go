package main

import (
	"fmt"
	"time"

	"thalassa/activity"
	"thalassa/stats"
)

// moveEvents bounds the events of one look at HAProxy. One more event lists the other
// members.
const moveEvents = 50

// noteMoves records what HAProxy decides about members.
func noteMoves(events *activity.Log) func([]stats.Move) {
	return func(moves []stats.Move) {
		for _, m := range moves[:min(len(moves), moveEvents)] {
			events.Note(moveEvent(m))
		}
		if len(moves) > moveEvents {
			events.Note(furtherMoves(moves[moveEvents:]))
		}
	}
}

// moveEvent is the event of one move.
func moveEvent(m stats.Move) activity.Event {
	e := activity.Event{
		Verb: verbOf(m.To), Cause: "HAProxy: " + moveWords(m),
		Object: activity.Object{ID: m.Member, Type: "backendMember", Key: m.Health.Address.String()},
	}
	if text := m.Health.CheckText(); text != "" {
		e.Reasons = append(e.Reasons, text)
	}
	if m.Downtime > 0 {
		e.Reasons = append(e.Reasons, "down for "+m.Downtime.Round(time.Second).String()+" in total")
	}
	if m.Unreported > 0 {
		e.Reasons = append(e.Reasons, fmt.Sprintf("%d changes before were not recorded: it goes up and down too often", m.Unreported))
	}
	return e
}

// furtherMoves is the event of the members beyond moveEvents.
func furtherMoves(moves []stats.Move) activity.Event {
	e := activity.Event{Verb: verbOf(moves[0].To), Object: activity.Object{ID: "haproxy", Type: "haproxy"}, Cause: fmt.Sprintf("HAProxy: %d more members changed at once", len(moves))}
	for _, m := range moves {
		e.Reasons = append(e.Reasons, m.Health.Address.String()+" "+moveWords(m))
	}
	return e
}

// moveWords says what moved where: "backend/live s1 is DOWN".
func moveWords(m stats.Move) string {
	return "backend/" + m.Backend + " " + m.Server + " is " + m.Health.Status
}

func verbOf(to stats.Health) activity.Verb {
	switch to {
	case stats.HealthDown:
		return activity.MemberDown
	case stats.HealthDrain:
		return activity.MemberDrain
	case stats.HealthUp:
	}
	return activity.MemberUp
}
