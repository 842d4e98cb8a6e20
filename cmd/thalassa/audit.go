package main

import (
	"fmt"
	"time"

	"thalassa/audit"
	"thalassa/settings"
)

// auditGrace is how long the end of the agent waits for the audit log to be written.
const auditGrace = 2 * time.Second

// auditLog opens the audit log. The agent does not start with one that cannot be written, since
// nobody would know who did what.
func (n node) auditLog() (*audit.Log, error) {
	cfg, withSyslog := n.settings.Audit(n.log)
	cfg.Now = n.now
	if withSyslog {
		w, err := audit.Syslog()
		if err != nil {
			return nil, settings.Error{Err: fmt.Errorf("audit-syslog: %w", err)}
		}
		cfg.Also = w
	}
	log, err := audit.Open(cfg)
	if err != nil {
		return nil, settings.Error{Err: fmt.Errorf("audit-file: %w", err)}
	}
	return log, nil
}
