//! Dashboards and alerts are made of what really arrives.
