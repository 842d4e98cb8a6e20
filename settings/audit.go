package settings

import (
	"log/slog"
	"path/filepath"
	"time"

	"thalassa/audit"
)

// auditSettings say where the audit log is kept, and how much of it.
type auditSettings struct {
	file    string // empty: in the directory of the database
	syslog  bool
	maxAge  time.Duration
	maxSize int // MiB
}

// auditBytes is the number of bytes in a MiB.
const auditBytes = 1 << 20

// Audit configures the audit log; the caller adds the clock, and syslog if
// withSyslog says so.
func (s *Agent) Audit(log *slog.Logger) (cfg audit.Config, withSyslog bool) {
	path := s.audit.file
	if path == "" {
		path = filepath.Join(s.dbPath, "audit.jsonl")
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return audit.Config{
		Path: path, MaxAge: s.audit.maxAge, MaxBytes: int64(s.audit.maxSize) * auditBytes, Logger: log,
	}, s.audit.syslog
}

// checkAudit checks the bounds of the audit log.
func (c *checker) checkAudit() {
	a := c.settings.audit
	if a.maxAge < time.Hour {
		c.bad("audit-max-age: %s is too short, expected 1h or more", a.maxAge)
	}
	const most = 1024 // MiB
	if a.maxSize < 1 || a.maxSize > most {
		c.bad("audit-max-size: %d is out of range, expected 1 to %d (MiB)", a.maxSize, most)
	}
}
