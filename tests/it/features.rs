//! The rows of the features, one file per part; a row's id is in the name of each of its tests.

mod full_run;

mod overwrite_rules;

mod leavers;

mod leaver_cases;

mod assets_held;

mod reviews;

mod reviews_meanwhile;

mod leavers_meanwhile;

mod returning;

mod system_log;

mod purge;

mod delta;

mod criteria;

mod never_touch;

mod people;

mod links;

mod explain;

mod integration_status;

mod groups;

mod preview_and_brake;

mod undo;

mod counts;

mod notices;

mod connections;

mod causes;

mod secrets;

mod configuration;

mod bad_input;

mod published;

mod commands;

mod csv_import;

mod passwords;

mod manual_import;

mod failed_records;

mod managers;

mod schedules;

mod schedule_switch;

mod round_trip;

mod deprovision;

mod quarantine;

mod expiry;

mod run_history;

mod run_log;

mod run_changes;

mod run_waits;

mod run_retention;
