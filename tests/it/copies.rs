//! Many copies of everything, restarted under load; and two versions of the schema beside each other.
