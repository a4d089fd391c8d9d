"""Classification: a whole sequence -> a class, several classes, or a number. Many to one."""
