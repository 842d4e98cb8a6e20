package auth

// MaxSessions bounds the sessions there are.
const MaxSessions = maxSessions
