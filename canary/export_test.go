package canary

import "thalassa/client"

// NewMeter gives what makes figures of the readings of a version's members.
func NewMeter(version string) func([]client.Member) Figures {
	m := meter{version: version}
	return m.read
}
