package canary

import "thalassa/lb"

// A Member is a reading of a member.
type Member struct {
	ID, Version string
	Stats       *lb.ServerStats
}

// NewMeter gives what makes figures of the readings of a version's members.
func NewMeter(version string) func([]Member) lb.CanaryFigures {
	m := meter{of: func(v lb.Version) bool { return string(v) == version }}
	return func(members []Member) lb.CanaryFigures {
		list := make([]reading, len(members))
		for i, member := range members {
			list[i] = reading{member.ID, lb.Version(member.Version), member.Stats}
		}
		return m.read(list)
	}
}
