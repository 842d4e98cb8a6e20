package node

import (
	"time"

	"thalassa/backup"
	"thalassa/lb"
)

// Restored is what a restore does beside changing frontends and backends.
type Restored struct {
	Backup BackupHeader `json:"backup"`
	// Members are the restored states and weights of members.
	Members []RestoredMember `json:"members"`
	// Drafts are the IDs of the drafts that the backup brings.
	Drafts []string `json:"drafts"`
	// Kept are the IDs of drafts that exist already, and stay as they are.
	Kept []string `json:"keptDrafts,omitempty"`
}

// A BackupHeader says what a backup is of.
type BackupHeader struct {
	Time     time.Time `json:"time"`
	Node     string    `json:"node,omitempty"`    // logical name of the load balancer
	Program  string    `json:"program,omitempty"` // version of Thalassa that made it
	Revision uint64    `json:"revision"`          // the newest one that it has
}

// NewBackupHeader makes the JSON document of a header.
func NewBackupHeader(h backup.Header) BackupHeader {
	return BackupHeader{Time: h.Time, Node: h.Node, Program: h.Program, Revision: h.Revision}
}

// A RestoredMember is a restored state or weight of a member.
type RestoredMember struct {
	Backend string    `json:"backend"`
	Member  string    `json:"member"` // HOST:PORT
	State   string    `json:"state"`
	Weight  string    `json:"weight,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// NewRestoredMembers makes the JSON document of overrides.
func NewRestoredMembers(list []lb.Override) []RestoredMember {
	out := make([]RestoredMember, len(list))
	for i, o := range list {
		out[i] = RestoredMember{Backend: string(o.Backend), Member: o.Member.String(), State: o.State, Until: o.Until}
		if o.Weight.IsSet {
			out[i].Weight = o.Weight.String()
		}
	}
	return out
}
