//! What goes wrong around the program: servers, networks, kills, disks.

mod crash;
mod damage;
mod disk;
mod matrix;
mod moved_files;
mod stopped;
