"""What the people of the demo company do all day, department by department."""
